//! Configuration, logging, signals and drain of every process
