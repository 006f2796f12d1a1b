package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// topics are the pages of help that belong to no command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText()},
		{Use: "json", Short: "The objects that --json prints", Long: jsonText()},
		{Use: "typing", Short: "What can be typed into lariat connect", Long: typingText},
	}
}

func exitCodesText() string {
	var b strings.Builder
	b.WriteString("The exit code says how a run ended:\n\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %-12s %s\n", c.code, c.kind, c.meaning)
	}
	b.WriteString(`
A peer that breaks the protocol gives 1, and the message names the rule.
lariat serve ends with 0 after SIGTERM and with 130 after Ctrl-C; in both cases
it first closes its connections with 1001.`)
	return b.String()
}

func jsonText() string {
	return `With --json a command prints events to standard output: one JSON object per
event, one event per line, in UTF-8 (NDJSON). Log lines of serve are events too.
Fields may be added over time; none is renamed or removed. Usage errors stay
plain text on standard error.

Every event has

    event         string    its name
    time          string    when it happened, RFC 3339, UTC

and the fields of its kind:
` + strings.TrimRight(schemaText(), "\n")
}

const typingText = `On a terminal lariat connect reads lines with editing and history: arrow keys,
Ctrl-A, Ctrl-E, Ctrl-W, Ctrl-U. Each line is sent as a text message, or as a
binary one with --binary or --hex. Lines that begin with a slash are commands:

  /ping                    send a ping and show its time
  /binary TEXT             send TEXT as a binary message
  /hex 01 02 ff            send these bytes as a binary message
  /close [CODE [REASON]]   begin the closing handshake, 1000 by default
  /quit                    close with 1000 and leave; so does Ctrl-D
  /retry                   with --reconnect: make the next attempt now
  /help                    show this list
  //text                   send a message that begins with one slash

Ctrl-C closes and leaves with exit code 130.`
