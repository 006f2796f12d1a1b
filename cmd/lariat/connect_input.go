package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"golang.org/x/term"
)

// lineReader gives the lines to send, without their ends, and io.EOF after the
// last.
type lineReader interface{ readLine() (string, error) }

// pipeLines are lines of a pipe or a file.
type pipeLines struct{ r *bufio.Reader }

func newPipeLines(r io.Reader) *pipeLines { return &pipeLines{bufio.NewReader(r)} }

func (l *pipeLines) readLine() (string, error) {
	s, err := l.r.ReadString('\n')
	if err != nil && s == "" {
		return "", err
	}
	return strings.TrimSuffix(s, "\n"), nil
}

// editor reads lines from a terminal, with editing and history.
type editor struct {
	t           *term.Terminal
	fd          int
	interrupted bool
}

// errTyped is Ctrl-C, which a terminal in raw mode gives as a byte.
var errTyped = &failure{code: exitInterrupted, msg: "stopped by Ctrl-C"}

// newEditor puts the terminal into raw mode and all output above the prompt.
// restore undoes both.
func newEditor(in *os.File, p *printer) (e *editor, restore func(), err error) {
	fd := int(in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, err
	}
	e = &editor{fd: fd}
	e.t = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{readerFunc(func(b []byte) (int, error) {
		n, err := in.Read(b)
		if bytes.IndexByte(b[:n], 3) >= 0 {
			e.interrupted = true
		}
		return n, err
	}), p.out}, p.paint(blue, "> "))
	e.t.SetBracketedPasteMode(true)
	undo := p.redirect(e.t)
	return e, func() {
		undo()
		e.t.SetBracketedPasteMode(false)
		_ = term.Restore(fd, state)
		_ = p.write([]byte("\r\x1b[K")) // the prompt that waits for nothing
	}, nil
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (e *editor) readLine() (string, error) {
	if width, height, err := term.GetSize(e.fd); err == nil && width > 0 && height > 0 {
		_ = e.t.SetSize(width, height) // it may have changed since the last line
	}
	line, err := e.t.ReadLine()
	switch {
	case errors.Is(err, term.ErrPasteIndicator):
		err = nil
	case err != nil && e.interrupted:
		err = errTyped
	}
	return line, err
}

// typist sends what is typed on a terminal, or the lines of a pipe.
type typist struct {
	*watcher
	lines    lineReader
	restore  func() // undoes what reading lines does to a terminal
	to       outlet
	ctx      context.Context // of all that is sent
	giveUp   context.CancelCauseFunc
	seq      int // pings sent by hand
	inputErr atomic.Pointer[failure]
}

// outlet is where lines go: one connection, or one that is made again.
type outlet interface {
	Write(ctx context.Context, t websocket.MessageType, p []byte) error
	ping(ctx context.Context) (time.Duration, error)
	// beginClose sends a close frame, once.
	beginClose(code websocket.StatusCode, reason string) error
	// unsent explains why line n could not be sent. nil: the next one may be.
	unsent(n int, err error) *failure
	// finish waits, at the end of input, until all has been sent.
	finish() *failure
}

// send sends the lines, then closes.
func (s *typist) send() {
	for n := 1; ; n++ {
		line, err := s.lines.readLine()
		switch {
		case err == io.EOF:
			s.endOfInput()
			return
		case err == errTyped:
			s.giveUp(errTyped)
			return
		case err != nil:
			s.abandon(fail(exitOther, "", "cannot read the input: %w", err))
			return
		}
		if s.pretty {
			if err = s.typed(line); err != nil {
				s.note("%s %v", s.errPaint(yellow, "!"), err)
			}
			continue
		}
		if f := s.sendLine(line, n); f != nil {
			s.abandon(f)
			return
		}
	}
}

// abandon closes after the input has failed; the answers to what was sent
// before still come.
func (s *typist) abandon(f *failure) {
	s.inputErr.Store(f)
	_ = s.to.beginClose(websocket.StatusGoingAway, "")
}

// endOfInput closes, after --linger. While --expect or --count wait for
// something, only a --linger that was given closes.
func (s *typist) endOfInput() {
	s.restore() // Ctrl-C is a signal again, for those who do not want to wait
	if f := s.to.finish(); f != nil {
		s.abandon(f)
		return
	}
	if s.flags.linger < 0 || s.flags.waits() && !s.flags.lingerSet {
		return
	}
	t := time.NewTimer(s.flags.linger)
	defer t.Stop()
	select {
	case <-t.C:
		_ = s.to.beginClose(websocket.StatusNormalClosure, "")
	case <-s.ctx.Done():
	}
}

// sendLine sends the line with number n of a pipe.
func (s *typist) sendLine(line string, n int) *failure {
	t, p, err := s.encode(line)
	if err != nil {
		return fail(exitOther, "hex digits such as 00 ff 10", "line %d of the input is not hex: %w", n, err)
	}
	err = s.to.Write(s.ctx, t, p)
	switch {
	case err == nil:
		if s.json {
			return asFailure(s.event("message", messageOf("out", t, p)))
		}
		return nil
	case errors.Is(err, frame.ErrInvalidUTF8):
		return fail(exitOther, "--binary sends any bytes", "line %d of the input is not UTF-8", n)
	case endedBy(s.ctx) != nil:
		return endedBy(s.ctx)
	}
	return s.to.unsent(n, err)
}

// encode makes a line a message.
func (s *typist) encode(line string) (websocket.MessageType, []byte, error) {
	switch {
	case s.flags.hex:
		p, err := hexLine(line)
		return websocket.MessageBinary, p, err
	case s.flags.binary:
		return websocket.MessageBinary, []byte(line), nil
	}
	return websocket.MessageText, []byte(strings.TrimSuffix(line, "\r")), nil
}

// typedCommands are the words after a slash.
var typedCommands = []string{"ping", "binary", "hex", "close", "quit", "help", "retry"}

// typed does what a line of the interactive form says.
func (s *typist) typed(line string) error {
	text, isCommand := strings.CutPrefix(line, "/")
	if line == "" {
		return nil
	}
	if !isCommand || strings.HasPrefix(text, "/") {
		t, p, err := s.encode(text)
		if err != nil {
			return fmt.Errorf("not hex: %w", err)
		}
		return s.writeTyped(t, p)
	}
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "ping":
		s.seq++
		go s.pingTyped(s.seq)
		return nil
	case "binary":
		return s.writeTyped(websocket.MessageBinary, []byte(rest))
	case "hex":
		p, err := hexLine(rest)
		if err != nil {
			return fmt.Errorf("not hex: %w", err)
		}
		return s.writeTyped(websocket.MessageBinary, p)
	case "close":
		code, reason, err := closeArguments(rest)
		if err != nil {
			return err
		}
		return s.to.beginClose(code, reason)
	case "retry":
		if k, ok := s.to.(interface{ Kick() }); ok {
			k.Kick()
			return nil
		}
		return errors.New("there is one connection only; --reconnect makes it again when it is lost")
	case "quit", "q", "exit":
		return s.to.beginClose(websocket.StatusNormalClosure, "")
	case "help", "?":
		s.note("%s", strings.TrimSpace(typingText))
		return nil
	}
	if near := nearest(word, typedCommands); near != "" {
		return fmt.Errorf("there is no /%s; type /%s, or //%s to send it", trim(word, 64), near, trim(text, 64))
	}
	return fmt.Errorf("there is no /%s; /help lists what there is, //%s sends it", trim(word, 64), trim(text, 64))
}

func (s *typist) writeTyped(t websocket.MessageType, p []byte) error {
	err := s.to.Write(s.ctx, t, p)
	if errors.Is(err, frame.ErrInvalidUTF8) {
		return errors.New("that is not UTF-8; /hex sends any bytes")
	}
	return err
}

// pingTyped shows a round-trip time.
func (s *typist) pingTyped(seq int) {
	rtt, err := s.to.ping(s.ctx)
	if err != nil && s.flags.reconnect {
		s.note("%s %v", s.errPaint(yellow, "!"), strings.TrimPrefix(err.Error(), "websocket: "))
	}
	if err == nil {
		s.note("%s", s.errPaint(dim, fmt.Sprintf("pong %d after %s", seq, millis(rtt))))
	}
}

// closeArguments reads "1001 bye".
func closeArguments(s string) (websocket.StatusCode, string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return websocket.StatusNormalClosure, "", nil
	}
	number, reason, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(number, 10, 16)
	code := websocket.StatusCode(n)
	switch {
	case err != nil:
		return 0, "", fmt.Errorf("%q is not a close code; type /close 1000 %s", trim(number, 64), trim(s, 64))
	case !code.Sendable():
		return 0, "", fmt.Errorf("%d must not be sent; a close code is 1000 to 1003, 1007 to 1014, or 3000 to 4999", n)
	case len(reason) > frame.MaxCloseReason:
		return 0, "", fmt.Errorf("the reason has %d bytes; %d are allowed", len(reason), frame.MaxCloseReason)
	}
	return code, reason, nil
}
