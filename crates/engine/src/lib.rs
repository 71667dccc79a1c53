//! Makes decisions happen: the executor, the intents, recovery, and the built-in steps over the ports.
