//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: needs Linux (epoll, processor affinity, /proc); run it there")
	os.Exit(2)
}
