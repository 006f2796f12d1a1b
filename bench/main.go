//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

const usage = `bench measures WebSocket servers and clients beside each other.

  bench run     measure and print one table      (bench run -quick)
  bench server  one contender's server, alone    (bench server -lib gorilla -mode plain)
  bench client  one contender's client, alone    (bench client -lib dial -addr 127.0.0.1:9000)
  bench load    the load generator, alone        (bench load -addr 127.0.0.1:9000 -conns 64 -size 128 -inflight 32)

Each command has -h.
`

func main() {
	if err := command(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("name a command: run, server, client or load")
	}
	switch args[0] {
	case "run":
		return runCommand(args[1:])
	case "server":
		return serverCommand(args[1:])
	case "client":
		return clientCommand(args[1:])
	case "load":
		return loadCommand(args[1:])
	case "-h", "-help", "--help", "help":
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("unknown command %q: use run, server, client or load", args[0])
}
