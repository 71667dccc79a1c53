//! Where issues and changes live: the local forge, behind the port that every forge fills.
