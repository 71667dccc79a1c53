//! Doubles of the ports, a manual clock and the contract suites that doubles and real adapters share.
