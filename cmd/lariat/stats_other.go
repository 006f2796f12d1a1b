//go:build !unix

package main

import "os"

// statsSignals are none: this system has no SIGUSR1.
func statsSignals() []os.Signal { return nil }
