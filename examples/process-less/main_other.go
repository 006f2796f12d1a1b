//go:build !linux

// Process-less drives one connection by hand. It is made of Linux's system calls.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "this example is made of Linux's system calls; see the examples of package httpconn for the rest of it")
	os.Exit(1)
}
