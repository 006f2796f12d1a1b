//go:build !unix

package main

import "os/exec"

// shell runs a command line.
func shell(command string) *exec.Cmd { return exec.Command("cmd", "/C", command) }

// kill ends the process.
func (p *process) kill() { _ = p.cmd.Process.Kill() }
