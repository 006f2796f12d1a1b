package main

import (
	"fmt"
	"regexp"

	"github.com/lariat-go/websocket"
)

// watcher prints what comes, and knows when what was waited for has come.
type watcher struct {
	*printer
	flags  *connectFlags
	expect []*regexp.Regexp // still to be met, in order
	got    int              // messages received
	pretty bool             // people type and look
}

// newWatcher refuses flags that make no sense, before anything is opened.
func newWatcher(p *printer, f *connectFlags) (*watcher, error) {
	w := &watcher{printer: p, flags: f}
	for _, e := range f.expect {
		re, err := regexp.Compile(e)
		if err != nil {
			return nil, usage("a regular expression such as '^ok$'; see https://pkg.go.dev/regexp/syntax", "--expect %q cannot be read: %w", trim(e, 64), err)
		}
		w.expect = append(w.expect, re)
	}
	if f.count < 0 {
		return nil, usage("--count 1", "--count is %d, and a number of messages is more than zero", f.count)
	}
	if f.binary && f.hex {
		return nil, usage("--hex alone: it sends binary messages", "--binary reads lines as they are, --hex as hex")
	}
	return w, nil
}

// take prints a message and reports whether all that was waited for has come.
func (w *watcher) take(t websocket.MessageType, p []byte) (done bool, err error) {
	if err := w.message(t, p); err != nil {
		return false, err
	}
	return w.notice(p), nil
}

// notice counts a message and reports whether all that was waited for has come.
func (w *watcher) notice(p []byte) (done bool) {
	w.got++
	if len(w.expect) > 0 && w.expect[0].Match(p) {
		w.expect = w.expect[1:]
	}
	return w.flags.waits() && !w.unmet()
}

// waits reports whether the run ends when something has come.
func (f *connectFlags) waits() bool { return len(f.expect) > 0 || f.count > 0 }

// unmet reports whether --expect or --count waits for more.
func (w *watcher) unmet() bool {
	return len(w.expect) > 0 || w.got < w.flags.count
}

// unmetFailure tells what did not come, and why nothing more will.
func (w *watcher) unmetFailure(why *failure) error {
	f := &failure{code: exitExpect}
	if len(w.expect) > 0 {
		f.msg = fmt.Sprintf("no message matched %q; %s came", w.expect[0].String(), count(int64(w.got), "message"))
	} else {
		f.msg = fmt.Sprintf("%d of %s came", w.got, count(int64(w.flags.count), "message"))
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
func (w *watcher) message(t websocket.MessageType, p []byte) error {
	if w.json {
		return w.event("message", messageOf("in", t, p))
	}
	var line []byte
	switch {
	case w.flags.hex:
		line = fmt.Appendf(nil, "% x", p)
	case !w.outTerminal:
		line = p
	case t == websocket.MessageBinary:
		line = []byte(w.paint(yellow, fmt.Sprintf("[%s] ", count(int64(len(p)), "byte"))) + fmt.Sprintf("% x", p))
	default:
		line = []byte(printable(string(p)))
	}
	if w.pretty {
		line = append([]byte(w.paint(green, "< ")), line...)
	}
	return w.write(append(line, '\n'))
}

// closedEvent shows how a connection has ended, to those who watch.
func (w *watcher) closedEvent(ce *websocket.CloseError) {
	_ = w.event("close", closeOf(ce))
	if w.json || !w.pretty && !w.flags.verbose {
		return
	}
	w.note("%s", w.errPaint(dim, closedText(ce)))
}

// closedText is the ending of a connection in words.
func closedText(ce *websocket.CloseError) string {
	text := "closed with " + ce.Code.String()
	if ce.Reason != "" {
		text += fmt.Sprintf(" %q", ce.Reason)
	}
	if ce.RemoteFirst {
		text += ", by the peer"
	}
	return text
}

// closeOf is the event of it.
func closeOf(ce *websocket.CloseError) *closeEvent {
	e := &closeEvent{Code: int(ce.Code), Name: ce.Code.String(), Reason: ce.Reason, RemoteFirst: ce.RemoteFirst}
	if ce.Sent != nil {
		e.SentCode, e.SentReason = int(ce.Sent.Code), ce.Sent.Reason
	}
	return e
}

// messageOf is the event of a message.
func messageOf(direction string, t websocket.MessageType, p []byte) *messageEvent {
	e := &messageEvent{Direction: direction, Type: t.String(), Size: len(p)}
	if t == websocket.MessageText {
		e.Text = string(p)
	} else {
		e.Base64 = p
	}
	return e
}
