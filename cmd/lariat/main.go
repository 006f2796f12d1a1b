package main

import (
	"context"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// app is one run of the command: where it reads and writes, and what the flags
// that all sub-commands share were set to.
type app struct {
	in      io.Reader
	printer *printer
}

// run runs the command line args, without the program's name, and returns the
// exit code.
func run(args []string, in, out, errOut *os.File) int {
	a := &app{in: in, printer: newPrinter(out, errOut, os.Getenv)}
	ctx, stop := withSignals(context.Background())
	defer stop()

	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return a.printer.report(root.ExecuteContext(ctx))
}
