package main

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// closeWait is how long the peer may be silent before it has answered a close
// frame; messages that still come start it anew.
const closeWait = 5 * time.Second

// connectFlags are what "lariat connect" can be told besides how to dial.
type connectFlags struct {
	dialFlags
	binary, hex  bool
	expect       []string
	count        int
	linger       time.Duration
	lingerSet    bool
	pingInterval time.Duration
	requests     []string
	anyStatus    bool
	lastingFlags
}

func (a *app) connectCommand() *cobra.Command {
	f := &connectFlags{}
	c := &cobra.Command{
		Use:   "connect URL",
		Short: "Send lines as messages and print what comes back",
		Long: `connect opens a WebSocket. On a terminal it reads lines with editing and history;
"lariat help typing" lists what can be typed. From a pipe or a file each line is
a message; at the end of input it closes the connection and prints what still
comes until the peer has closed as well.

With --expect or --count the connection stays open after the end of input until
they are met, the peer closes, or the time of --timeout or --linger is over.

Text messages are printed as lines. Binary ones are printed as they are, or in
hex with --hex and on a terminal.

` + requestsText + "\n\n" + lastingText + "\n\n" + httpText,
		Example: `  # by hand
  lariat connect ws://localhost:8080/

  # each line is a message; the answers are printed
  printf 'one\ntwo\n' | lariat connect ws://localhost:8080/

  # wait for an answer, at most 5 seconds
  echo hello | lariat connect --expect '^hel+o$' --timeout 5s ws://localhost:8080/

  # the first three messages of a feed
  lariat connect --count 3 'ws://localhost:8080/ticks?every=100ms' < /dev/null

  # stay connected when the server goes, and keep what is typed until it is back
  lariat connect --reconnect --outbox 100 ws://localhost:8080/

  # a request before, on the same connection, whose cookies go with the WebSocket
  echo hello | lariat connect --request 'GET /' ws://localhost:8080/echo

  # each step of the connection as an event
  echo hello | lariat connect --owner-events ws://localhost:8080/

  # over HTTP/2, with its frames shown
  echo hello | lariat connect --http 2 -v ws://localhost:8080/

  # bytes in hex, frames shown
  echo '00 ff 10' | lariat connect --hex -v ws://localhost:8080/`,
		Args: argsBetween(1, 1, "one URL", "lariat connect ws://localhost:8080/"),
		RunE: func(c *cobra.Command, args []string) error {
			f.lingerSet = c.Flags().Changed("linger")
			return a.connect(c.Context(), args[0], f)
		},
	}
	f.dialFlags.register(c)
	fl := c.Flags()
	fl.BoolVarP(&f.binary, "binary", "b", false, "send lines as binary messages")
	fl.BoolVar(&f.hex, "hex", false, "lines are hex and sent as binary messages; messages are printed in hex")
	fl.StringArrayVarP(&f.expect, "expect", "e", nil, "end well when a message matches `REGEXP`, with exit code 8 when none does; can be repeated, in order")
	fl.IntVarP(&f.count, "count", "c", 0, "end well after `N` messages, with exit code 8 when fewer come")
	fl.DurationVar(&f.linger, "linger", 0, "wait this `TIME` between the end of input and closing; negative: leave closing to the peer")
	fl.DurationVar(&f.pingInterval, "ping-interval", 0, "ping when nothing has come for this `TIME`; 0 for never, or for 15s with --reconnect; negative for never")
	fl.StringArrayVar(&f.requests, "request", nil, "make this request first, such as `\"GET /login\"`, on the same connection; can be repeated")
	fl.BoolVar(&f.anyStatus, "any-status", false, "go on after a request of --request that was answered with 400 or more")
	f.lastingFlags.register(c)
	return c
}

func (a *app) connect(ctx context.Context, target string, f *connectFlags) error {
	u, err := checkURL(target)
	if err != nil {
		return err
	}
	if err := f.checkTogether(); err != nil {
		return err
	}
	w, err := newWatcher(a.printer, f)
	if err != nil {
		return err
	}
	a.printer.json = a.printer.json || f.ownerEvents
	requests, err := parseRequests(f.requests)
	if err != nil {
		return err
	}
	o, err := f.options(a.printer)
	if err != nil {
		return err
	}
	o.KeepAlive.Interval = f.pingInterval
	ctx, cancel := f.bound(ctx)
	defer cancel()
	switch {
	case f.reconnect:
		return a.stayConnected(ctx, u, w, o)
	case f.ownerEvents:
		return a.ownerEvents(ctx, u, w, requests, o)
	}
	o.CloseTimeout = -1 // waitForClose is as patient as messages come
	t := &typist{watcher: w}
	s := &session{typist: t}
	t.to = s
	t.ctx, t.giveUp = context.WithCancelCause(ctx)
	defer t.giveUp(nil)
	var end func()
	if len(requests) > 0 {
		s.Conn, end, err = f.dialAfter(t.ctx, a.printer, u, o, requests)
	} else {
		s.Conn, end, err = f.dial(t.ctx, a.printer, u, o)
	}
	if err != nil {
		return err
	}
	defer end()
	defer s.CloseNow() //nolint:errcheck // it has ended

	if err := t.open(a.in); err != nil {
		return err
	}
	defer t.restore()
	s.greet(u.Redacted())
	return s.run()
}

// open finds out whether people type, and how lines are read. restore undoes
// what it has done to the terminal.
func (t *typist) open(in io.Reader) error {
	t.lines, t.restore = newPipeLines(in), func() {}
	file, isFile := in.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) || !t.outTerminal || t.json {
		return nil
	}
	editor, restore, err := newEditor(file, t.printer)
	if err != nil {
		return fail(exitOther, "lariat connect URL < /dev/null", "the terminal cannot be used: %w", err)
	}
	t.lines, t.restore, t.pretty = editor, sync.OnceFunc(restore), true
	return nil
}
