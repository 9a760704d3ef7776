"""The command line, run as real processes against an owner that speaks the control protocol."""
