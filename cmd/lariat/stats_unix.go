//go:build unix

package main

import (
	"os"
	"syscall"
)

// statsSignals are the signals that ask for a line of statistics.
func statsSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1} }
