package protocol_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

var (
	bye   = protocol.Close{Code: frame.StatusGoingAway, Reason: "bye"}
	done  = protocol.Close{Code: frame.StatusNormalClosure}
	empty = protocol.Close{Code: frame.StatusNoStatusRcvd}
	reset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
)

// TestClosingHandshake goes through endings as they happen: what state each
// step leads to, what is owed then, and what the ending is called.
func TestClosingHandshake(t *testing.T) {
	const (
		open    = protocol.StateOpen
		closing = protocol.StateClosing
		closed  = protocol.StateClosed
	)
	type step struct {
		do    string
		close protocol.Close
		err   error
		state protocol.State
		reply *protocol.Close
	}
	echo := func(c frame.StatusCode) *protocol.Close { return &protocol.Close{Code: c} }
	sent := func(c protocol.Close, s protocol.State) step { return step{do: "sent", close: c, state: s} }
	received := func(c protocol.Close, s protocol.State, r *protocol.Close) step {
		return step{do: "received", close: c, state: s, reply: r}
	}
	fail := func(err error, s protocol.State, r *protocol.Close) step {
		return step{do: "fail", err: err, state: s, reply: r}
	}
	eof := func(err error, r *protocol.Close) step { return step{do: "eof", err: err, state: closed, reply: r} }

	tests := []struct {
		name  string
		steps []step
		want  *protocol.CloseError
		text  string
	}{
		{"nothing happened", nil, nil, ""},
		{
			"the peer closes, we answer (ruling C9)",
			[]step{
				received(bye, closing, echo(1001)), sent(*echo(1001), closed), eof(io.EOF, nil),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Sent: echo(1001), Received: &bye, RemoteFirst: true},
			`websocket: closed by the peer with 1001 (going away) "bye", answered with 1001 (going away)`,
		},
		{
			"the peer closes with nothing, we answer with nothing (ruling C9)",
			[]step{
				received(empty, closing, &empty), sent(empty, closed),
			},
			&protocol.CloseError{Code: 1005, Sent: &empty, Received: &empty, RemoteFirst: true},
			`websocket: closed by the peer with 1005 (no status received), answered with 1005 (no status received)`,
		},
		{
			"we close, the peer answers",
			[]step{
				sent(bye, closing), received(*echo(1001), closed, nil), eof(nil, nil),
			},
			&protocol.CloseError{Code: 1001, Sent: &bye, Received: echo(1001)},
			`websocket: closed with 1001 (going away) "bye", the peer answered 1001 (going away)`,
		},
		{
			"C6 both close at the same time",
			[]step{
				sent(done, closing), received(bye, closed, nil),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Sent: &done, Received: &bye},
			`websocket: closed with 1000 (normal closure), the peer answered 1001 (going away) "bye"`,
		},
		{
			"C2 a second close frame of each side is not there",
			[]step{
				sent(done, closing), sent(bye, closing), received(bye, closed, nil), received(done, closed, nil),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Sent: &done, Received: &bye},
			`websocket: closed with 1000 (normal closure), the peer answered 1001 (going away) "bye"`,
		},
		{
			"F13 the stream ends",
			[]step{eof(nil, nil)},
			&protocol.CloseError{Code: 1006, Cause: io.ErrUnexpectedEOF},
			`websocket: connection lost without a close frame: unexpected EOF`,
		},
		{
			"the stream ends with io.EOF, twice",
			[]step{eof(io.EOF, nil), eof(reset, nil)},
			&protocol.CloseError{Code: 1006, Cause: io.ErrUnexpectedEOF},
			`websocket: connection lost without a close frame: unexpected EOF`,
		},
		{
			"the transport breaks",
			[]step{eof(reset, nil)},
			&protocol.CloseError{Code: 1006, Cause: reset},
			`websocket: connection lost without a close frame: read tcp: connection reset by peer`,
		},
		{
			"we close, the stream ends",
			[]step{sent(bye, closing), eof(nil, nil)},
			&protocol.CloseError{Code: 1006, Sent: &bye, Cause: io.ErrUnexpectedEOF},
			`websocket: closed with 1001 (going away) "bye", the peer did not answer: unexpected EOF`,
		},
		{
			"the peer closes and ends the stream, an answer is still owed",
			[]step{
				received(bye, closing, echo(1001)), eof(nil, echo(1001)),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Received: &bye, RemoteFirst: true},
			`websocket: closed by the peer with 1001 (going away) "bye"`,
		},
		{
			"the answer can't be written",
			[]step{
				received(bye, closing, echo(1001)), fail(reset, closed, nil), eof(nil, nil),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Received: &bye, RemoteFirst: true, Cause: reset},
			`websocket: closed by the peer with 1001 (going away) "bye": read tcp: connection reset by peer`,
		},
		{
			"the transport breaks after the peer's close frame",
			[]step{
				received(bye, closing, echo(1001)), eof(reset, nil),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Received: &bye, RemoteFirst: true, Cause: reset},
			`websocket: closed by the peer with 1001 (going away) "bye": read tcp: connection reset by peer`,
		},
		{
			"the transport breaks after both close frames",
			[]step{
				received(bye, closing, echo(1001)), sent(*echo(1001), closed), fail(reset, closed, nil), eof(reset, nil),
			},
			&protocol.CloseError{Code: 1001, Reason: "bye", Sent: echo(1001), Received: &bye, RemoteFirst: true},
			`websocket: closed by the peer with 1001 (going away) "bye", answered with 1001 (going away)`,
		},
		{
			"the peer breaks the protocol",
			[]step{
				fail(frame.ErrMaskRequired, closing, echo(1002)), sent(*echo(1002), closed), eof(reset, nil),
			},
			&protocol.CloseError{Code: 1006, Sent: echo(1002), Cause: frame.ErrMaskRequired},
			`websocket: failed with 1002 (protocol error): frame from a client is not masked (RFC 6455, section 5.1)`,
		},
		{
			"the peer breaks the protocol and answers our close frame",
			[]step{
				fail(frame.ErrMaskRequired, closing, echo(1002)), sent(*echo(1002), closed), received(*echo(1002), closed, nil),
			},
			&protocol.CloseError{Code: 1002, Sent: echo(1002), Received: echo(1002), Cause: frame.ErrMaskRequired},
			`websocket: failed with 1002 (protocol error): frame from a client is not masked (RFC 6455, section 5.1)`,
		},
		{
			"the first violation counts, also a wrapped one",
			[]step{
				fail(fmt.Errorf("reading: %w", frame.ErrInvalidUTF8), closing, echo(1007)),
				fail(frame.ErrMaskRequired, closing, echo(1007)), sent(*echo(1007), closed), fail(reset, closed, nil),
			},
			&protocol.CloseError{Code: 1006, Sent: echo(1007), Cause: fmt.Errorf("reading: %w", frame.ErrInvalidUTF8)},
			`websocket: failed with 1007 (invalid payload data): reading: websocket: text is not valid UTF-8 (RFC 6455, section 8.1)`,
		},
		{
			"a violation after our close frame",
			[]step{
				sent(bye, closing), fail(frame.ErrMaskRequired, closed, nil),
			},
			&protocol.CloseError{Code: 1006, Sent: &bye, Cause: frame.ErrMaskRequired},
			`websocket: closed with 1001 (going away) "bye", the peer did not answer: frame from a client is not masked (RFC 6455, section 5.1)`,
		},
		{
			"a violation, then the end",
			[]step{
				fail(frame.ErrMessageTooBig, closing, echo(1009)), eof(nil, echo(1009)),
			},
			&protocol.CloseError{Code: 1006, Cause: frame.ErrMessageTooBig},
			`websocket: connection lost without a close frame: message is larger than the limit (RFC 6455, section 10.4)`,
		},
		{
			"the transport breaks in a write",
			[]step{fail(reset, closed, nil), fail(frame.ErrMaskRequired, closed, nil)},
			&protocol.CloseError{Code: 1006, Cause: reset},
			`websocket: connection lost without a close frame: read tcp: connection reset by peer`,
		},
		{
			"a violation, but its close frame can't be written",
			[]step{
				fail(frame.ErrMessageTooBig, closing, echo(1009)), fail(reset, closed, nil),
			},
			&protocol.CloseError{Code: 1006, Cause: frame.ErrMessageTooBig},
			`websocket: connection lost without a close frame: message is larger than the limit (RFC 6455, section 10.4)`,
		},
		{
			"C7 the peer does not answer our close frame",
			[]step{
				sent(done, closing), fail(os.ErrDeadlineExceeded, closed, nil),
			},
			&protocol.CloseError{Code: 1006, Sent: &done, Cause: os.ErrDeadlineExceeded},
			`websocket: closed with 1000 (normal closure), the peer did not answer: i/o timeout`,
		},
		{"no cause is no failure", []step{fail(nil, open, nil)}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h protocol.ClosingHandshake
			for i, s := range tt.steps {
				switch s.do {
				case "sent":
					h.Sent(s.close)
				case "received":
					h.Received(s.close)
				case "fail":
					h.Fail(s.err)
				case "eof":
					h.EOF(s.err)
				}
				if h.State() != s.state {
					t.Errorf("step %d: state is %v, want %v", i, h.State(), s.state)
				}
				c, ok := h.Reply()
				if ok != (s.reply != nil) || ok && c != *s.reply {
					t.Errorf("step %d: owed %v %v, want %v", i, c, ok, s.reply)
				}
			}
			err := h.Err()
			if tt.want == nil {
				if err != nil || h.State() != protocol.StateOpen {
					t.Errorf("%v %v", h.State(), err)
				}
				return
			}
			var e *protocol.CloseError
			if !errors.As(err, &e) || !reflect.DeepEqual(e, tt.want) {
				t.Fatalf("%#v, want\n%#v", err, tt.want)
			}
			if err.Error() != tt.text {
				t.Errorf("%s, want\n%s", err, tt.text)
			}
			if !errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
				t.Error("it should be net.ErrClosed and nothing else")
			}
			if e.Cause != nil && !errors.Is(err, e.Cause) {
				t.Error("it should be its cause")
			}
		})
	}
}

// Whatever the order of Sent, Received, Fail and EOF: a state never goes back,
// nothing is owed after Sent, and Err is there exactly when it should.
func TestClosingHandshakeOrders(t *testing.T) {
	steps := []string{"sent", "received", "violation", "transport", "eof", "reset"}
	var walk func(done []string)
	walk = func(order []string) {
		var h protocol.ClosingHandshake
		last := h.State()
		for i, s := range order {
			switch s {
			case "sent":
				h.Sent(done)
			case "received":
				h.Received(bye)
			case "violation":
				h.Fail(frame.ErrCloseStatus)
			case "transport":
				h.Fail(reset)
			case "eof":
				h.EOF(nil)
			case "reset":
				h.EOF(reset)
			}
			had := func(s string) bool { return slices.Contains(order[:i+1], s) }
			if h.State() < last {
				t.Fatalf("%v: state went from %v to %v", order, last, h.State())
			}
			last = h.State()
			if _, ok := h.Reply(); ok && had("sent") {
				t.Fatalf("%v: an answer is owed after a close frame was sent", order)
			}
			over := had("eof") || had("reset") || had("violation") || had("transport") || had("sent") && had("received")
			err := h.Err()
			if (err != nil) != over {
				t.Fatalf("%v: Err is %v", order[:i+1], err)
			}
			var e *protocol.CloseError
			if errors.As(err, &e) {
				if (e.Received != nil) != had("received") || (e.Sent != nil) != had("sent") {
					t.Fatalf("%v: %#v", order[:i+1], e)
				}
				first := had("received") && slices.Index(order, "received") < slices.Index(append(slices.Clone(order[:i+1]), "sent"), "sent")
				if e.RemoteFirst != first {
					t.Fatalf("%v: RemoteFirst is %v", order[:i+1], e.RemoteFirst)
				}
				if (e.Code == frame.StatusAbnormalClosure) == had("received") {
					t.Fatalf("%v: code %v", order[:i+1], e.Code)
				}
			}
		}
		for _, s := range steps {
			if !slices.Contains(order, s) {
				walk(append(slices.Clone(order), s))
			}
		}
	}
	walk(nil)
}

// The text of an error is one line, quotes what the peer wrote, and bounds it.
func TestCloseErrorQuotes(t *testing.T) {
	c := protocol.Close{Code: 4000, Reason: "a\nb\x00" + strings.Repeat("é", 59)}
	err := &protocol.CloseError{Code: c.Code, Reason: c.Reason, Received: &c}
	got := err.Error()
	want := `websocket: closed by the peer with 4000 "a\nb\x00` + strings.Repeat("é", 30) + `"...`
	if got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	c.Reason = strings.Repeat("r", 64)
	if got, want := c.String(), `4000 "`+c.Reason+`"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		v    fmt.Stringer
		want string
	}{
		{protocol.StateOpen, "open"},
		{protocol.StateClosing, "closing"},
		{protocol.StateClosed, "closed"},
		{protocol.State(9), "unknown state"},
		{protocol.RoleServer, "server"},
		{protocol.RoleClient, "client"},
		{protocol.Role(0), "unknown role"},
		{protocol.EventData, "data"},
		{protocol.EventPing, "ping"},
		{protocol.EventPong, "pong"},
		{protocol.EventClose, "close"},
		{protocol.EventKind(0), "unknown event"},
	} {
		if got := tt.v.String(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
