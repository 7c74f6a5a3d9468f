//! What is particular to MongoDB; what every store must do is in the contract's suite.
