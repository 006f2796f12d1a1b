//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// shell runs a command line in a process group of its own, so that what it
// starts can be ended with it.
func shell(command string) *exec.Cmd {
	c := exec.Command("/bin/sh", "-c", command)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

// kill ends the process and its children.
func (p *process) kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
