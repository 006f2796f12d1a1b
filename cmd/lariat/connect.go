package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
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

` + httpText,
		Example: `  # by hand
  lariat connect ws://localhost:8080/

  # each line is a message; the answers are printed
  printf 'one\ntwo\n' | lariat connect ws://localhost:8080/

  # wait for an answer, at most 5 seconds
  echo hello | lariat connect --expect '^hel+o$' --timeout 5s ws://localhost:8080/

  # the first three messages of a feed
  lariat connect --count 3 'ws://localhost:8080/ticks?every=100ms' < /dev/null

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
	f.register(c)
	fl := c.Flags()
	fl.BoolVarP(&f.binary, "binary", "b", false, "send lines as binary messages")
	fl.BoolVar(&f.hex, "hex", false, "lines are hex and sent as binary messages; messages are printed in hex")
	fl.StringArrayVarP(&f.expect, "expect", "e", nil, "end well when a message matches `REGEXP`, with exit code 8 when none does; can be repeated, in order")
	fl.IntVarP(&f.count, "count", "c", 0, "end well after `N` messages, with exit code 8 when fewer come")
	fl.DurationVar(&f.linger, "linger", 0, "wait this `TIME` between the end of input and closing; negative: leave closing to the peer")
	fl.DurationVar(&f.pingInterval, "ping-interval", 0, "ping when nothing has come for this `TIME`; 0 for never")
	return c
}

// session is one connection of "lariat connect".
type session struct {
	*printer
	*websocket.Conn
	flags  *connectFlags
	expect []*regexp.Regexp // still to be met, in order
	pretty bool             // people type and look
	lines  lineReader
	ctx    context.Context // ends with --timeout, a signal, or waitForClose
	giveUp context.CancelCauseFunc

	mu       sync.Mutex
	patience *time.Timer // runs when we have begun the closing handshake
	closed   sync.Once
	got      int // messages received
	seq      int // pings sent by hand
	inputErr atomic.Pointer[failure]
}

func (a *app) connect(ctx context.Context, target string, f *connectFlags) error {
	u, err := checkURL(target)
	if err != nil {
		return err
	}
	s := &session{printer: a.printer, flags: f}
	if err := s.check(); err != nil {
		return err
	}
	o, err := f.options(a.printer)
	if err != nil {
		return err
	}
	o.KeepAlive.Interval = f.pingInterval
	o.CloseTimeout = -1 // waitForClose is as patient as messages come
	ctx, cancel := f.bound(ctx)
	defer cancel()
	s.ctx, s.giveUp = context.WithCancelCause(ctx)
	defer s.giveUp(nil)
	if s.Conn, err = a.printer.dial(ctx, u, o); err != nil {
		return err
	}
	defer s.CloseNow() //nolint:errcheck // it has ended

	s.lines = newPipeLines(a.in)
	in, isFile := a.in.(*os.File)
	if isFile && term.IsTerminal(int(in.Fd())) && a.printer.outTerminal && !a.printer.json {
		editor, restore, err := newEditor(in, a.printer)
		if err != nil {
			return fail(exitOther, "lariat connect URL < /dev/null", "the terminal cannot be used: %w", err)
		}
		defer restore()
		s.lines, s.pretty = editor, true
	}
	s.greet(u.Redacted())
	return s.run()
}

// check refuses flags that make no sense, before anything is opened.
func (s *session) check() error {
	for _, e := range s.flags.expect {
		re, err := regexp.Compile(e)
		if err != nil {
			return usage("a regular expression such as '^ok$'; see https://pkg.go.dev/regexp/syntax", "--expect %q cannot be read: %w", trim(e, 64), err)
		}
		s.expect = append(s.expect, re)
	}
	if s.flags.count < 0 {
		return usage("--count 1", "--count is %d, and a number of messages is more than zero", s.flags.count)
	}
	if s.flags.binary && s.flags.hex {
		return usage("--hex alone: it sends binary messages", "--binary reads lines as they are, --hex as hex")
	}
	return nil
}

// greet says what the connection is, to those who watch.
func (s *session) greet(url string) {
	text := fmt.Sprintf("connected to %s over %s", url, versionName(s.HTTPVersion()))
	switch {
	case s.pretty:
		text += "; /help lists what can be typed, Ctrl-D closes"
	case s.json || !s.flags.verbose:
		return
	}
	s.note("%s", s.errPaint(dim, text))
}

// run sends what is typed and prints what comes, until the connection ends.
func (s *session) run() error {
	go s.send()
	err := s.receive()
	if err == nil { // what was waited for has come
		defer time.AfterFunc(closeWait, func() { _ = s.CloseNow() }).Stop()
		_ = s.Conn.Close(websocket.StatusNormalClosure, "")
		return nil
	}
	f := endedBy(s.ctx)
	if f != nil {
		err = s.leave()
	}
	s.tellClose(err)
	in := s.inputErr.Load()
	switch {
	case f != nil && f.code != exitExpect:
		return cmp.Or(in, f)
	case f == nil:
		f = endFailure(s.ctx, err)
	}
	// That input could not be sent may be because the connection has ended:
	// then how it ended says more.
	if f == nil && in != nil {
		return in
	}
	if s.unmet() {
		return s.unmetFailure(f)
	}
	if f == nil {
		return nil
	}
	return f
}

// leave says goodbye when there is no time for messages any more, and returns
// how the connection ended.
func (s *session) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.WriteBatch(ctx, websocket.CloseFrame(websocket.StatusGoingAway, ""))
	for err == nil {
		_, _, err = s.Conn.Read(ctx)
	}
	return err
}

// receive reads until the connection ends, or what --expect and --count wait
// for has come; then the error is nil.
func (s *session) receive() error {
	for {
		t, p, err := s.Conn.Read(s.ctx)
		if err != nil {
			return err
		}
		s.waitForClose(false)
		if err := s.message(t, p); err != nil {
			return err
		}
		s.got++
		if len(s.expect) > 0 && s.expect[0].Match(p) {
			s.expect = s.expect[1:]
		}
		if s.flags.waits() && !s.unmet() {
			return nil
		}
	}
}

// waitForClose ends the reading when the peer is silent for closeWait from now
// on. It does nothing before we have begun to close.
func (s *session) waitForClose(begin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.patience != nil:
		s.patience.Reset(closeWait)
	case begin:
		s.patience = time.AfterFunc(closeWait, func() { s.giveUp(errNoClose) })
	}
}

var errNoClose = &failure{code: exitLost, msg: fmt.Sprintf("the peer did not answer the close frame for %v", closeWait)}

// waits reports whether the run ends when something has come.
func (f *connectFlags) waits() bool { return len(f.expect) > 0 || f.count > 0 }

// unmet reports whether --expect or --count waits for more.
func (s *session) unmet() bool {
	return len(s.expect) > 0 || s.got < s.flags.count
}

// unmetFailure tells what did not come, and why nothing more will.
func (s *session) unmetFailure(why *failure) error {
	f := &failure{code: exitExpect}
	if len(s.expect) > 0 {
		f.msg = fmt.Sprintf("no message matched %q; %s came", s.expect[0].String(), count(int64(s.got), "message"))
	} else {
		f.msg = fmt.Sprintf("%d of %s came", s.got, count(int64(s.flags.count), "message"))
	}
	switch {
	case why != nil:
		f.msg += ", then " + why.msg
	default:
		f.msg += ", then the connection was closed"
		f.hint = "--linger 1s waits for answers after the end of input"
	}
	return f
}

// message prints one message.
func (s *session) message(t websocket.MessageType, p []byte) error {
	if s.json {
		e := &messageEvent{Direction: "in", Type: t.String(), Size: len(p)}
		if t == websocket.MessageText {
			e.Text = string(p)
		} else {
			e.Base64 = p
		}
		return s.event("message", e)
	}
	var line []byte
	switch {
	case s.flags.hex:
		line = fmt.Appendf(nil, "% x", p)
	case !s.outTerminal:
		line = p
	case t == websocket.MessageBinary:
		line = []byte(s.paint(yellow, fmt.Sprintf("[%s] ", count(int64(len(p)), "byte"))) + fmt.Sprintf("% x", p))
	default:
		line = []byte(printable(string(p)))
	}
	if s.pretty {
		line = append([]byte(s.paint(green, "< ")), line...)
	}
	return s.write(append(line, '\n'))
}

// tellClose shows how the connection has ended, to those who watch.
func (s *session) tellClose(err error) {
	var ce *websocket.CloseError
	if !errors.As(err, &ce) {
		return
	}
	e := &closeEvent{Code: int(ce.Code), Name: ce.Code.String(), Reason: ce.Reason, RemoteFirst: ce.RemoteFirst}
	if ce.Sent != nil {
		e.SentCode, e.SentReason = int(ce.Sent.Code), ce.Sent.Reason
	}
	_ = s.event("close", e)
	if s.json || !s.pretty && !s.flags.verbose {
		return
	}
	text := "closed with " + ce.Code.String()
	if ce.Reason != "" {
		text += fmt.Sprintf(" %q", ce.Reason)
	}
	if ce.RemoteFirst {
		text += ", by the peer"
	}
	s.note("%s", s.errPaint(dim, text))
}

// beginClose sends a close frame once; receive then waits for the peer's.
func (s *session) beginClose(code websocket.StatusCode, reason string) error {
	if _, err := frame.AppendClose(nil, code, reason); err != nil {
		return err
	}
	var err error
	s.closed.Do(func() {
		err = s.WriteBatch(s.ctx, websocket.CloseFrame(code, reason))
		s.waitForClose(true)
	})
	return err
}
