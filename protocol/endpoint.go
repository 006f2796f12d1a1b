package protocol

import "github.com/lariat-go/websocket/frame"

// Endpoint is one whole end of a connection without its transport: a
// [Receiver], a [Sender] and a [ClosingHandshake] that work together. It
// answers pings and the peer's close frame, fails the connection when the peer
// breaks the protocol, and hands out whole messages.
//
// An Endpoint is used by one goroutine at a time.
type Endpoint struct {
	recv    *Receiver
	send    *Sender
	closing ClosingHandshake
	codec   interface{ Close() }
	out     []byte
	events  []Event
	msg     []byte // the unfinished message
}

// NewEndpoint returns the end of a connection that role names, just after the
// opening handshake. A nil o means the defaults.
func NewEndpoint(role Role, o *Options) *Endpoint {
	e := &Endpoint{recv: NewReceiver(role, o), send: NewSender(role, o)}
	if o != nil && o.Codec != nil {
		e.codec = o.Codec
	}
	return e
}

// Receive takes what came from the peer, cut anywhere, and returns the events
// it holds: whole messages (EventData with First and Final), pings, pongs and
// the peer's close frame. Pings and the close frame are answered already; send
// what [Endpoint.Output] returns.
//
// p is unmasked in place, and the events may point into it: they are valid
// until the next call and while p is not changed. An unfinished message is
// kept, up to [Options.MaxMessageSize].
//
// The error says that the connection failed: it is a *[CloseError] with the
// [frame.Violation] as its cause. The events are those that came before. A
// closing handshake is no error; [Endpoint.State] and [Endpoint.Err] tell of
// it.
func (e *Endpoint) Receive(p []byte) ([]Event, error) {
	clear(e.events)
	e.events = e.events[:0]
	for e.closing.cause == nil {
		n, ev, ok, err := e.recv.Next(p)
		p = p[n:]
		if err != nil {
			e.fail(err)
			break
		}
		if !ok {
			return e.events, nil
		}
		e.take(ev)
	}
	return e.events, e.Err()
}

// take answers ev and files it.
func (e *Endpoint) take(ev Event) {
	switch ev.Kind {
	case EventData:
		if ev.First && ev.Final && !e.recv.lent {
			break // all of it is in p
		}
		e.msg = append(e.msg, ev.Data...)
		if !ev.Final {
			return
		}
		ev.First, ev.Data = true, e.msg
		e.msg = nil
	case EventPing:
		e.out, _ = e.send.AppendControl(e.out, frame.OpPong, ev.Data) // any ping has a pong
		ev.Data = e.keep(ev.Data)
	case EventPong:
		ev.Data = e.keep(ev.Data)
	case EventClose:
		ev.Data = e.keep(ev.Data)
		e.closing.Received(Close{Code: ev.Code, Reason: ev.Reason})
		e.msg = nil
		e.reply()
	}
	e.events = append(e.events, ev)
}

// keep copies what lies in borrowed memory.
func (e *Endpoint) keep(p []byte) []byte {
	if e.recv.lent {
		return append([]byte(nil), p...)
	}
	return p
}

func (e *Endpoint) reply() {
	if c, ok := e.closing.Reply(); ok {
		e.out, _ = e.send.AppendClose(e.out, c.Code, c.Reason) // what is owed can be sent
		e.closing.Sent(c)
	}
}

func (e *Endpoint) fail(cause error) {
	e.closing.Fail(cause)
	e.msg = nil
	e.reply()
}

// ReceiveEOF says that the peer's stream has ended, or was lost.
func (e *Endpoint) ReceiveEOF() {
	e.closing.EOF(nil)
	e.msg = nil
}

// Output returns the bytes to be sent to the peer since the last call, nil
// when there are none. They are the caller's. With it the budget of
// [Options.ControlBurst] is full again: it bounds the answers that wait to be
// fetched.
func (e *Endpoint) Output() []byte {
	out := e.out
	e.out = nil
	e.recv.RefillControls(int(e.recv.burst))
	return out
}

// Send sends the message p, which is copied. The errors are those of
// [Sender.AppendMessage], and after ReceiveEOF that of Err, here as in the
// methods that follow.
func (e *Endpoint) Send(op frame.Opcode, p []byte) (err error) {
	if e.closing.ended {
		return e.Err()
	}
	e.out, err = e.send.AppendMessage(e.out, op, p)
	return err
}

// SendFragment sends a fragment of a message; see [Sender.AppendFragment].
func (e *Endpoint) SendFragment(op frame.Opcode, p []byte, final bool) (err error) {
	if e.closing.ended {
		return e.Err()
	}
	e.out, err = e.send.AppendFragment(e.out, op, p, final)
	return err
}

// Ping sends a ping with at most 125 bytes of payload, which the peer's pong
// brings back. The errors are those of [Sender.AppendControl].
func (e *Endpoint) Ping(p []byte) (err error) {
	if e.closing.ended {
		return e.Err()
	}
	e.out, err = e.send.AppendControl(e.out, frame.OpPing, p)
	return err
}

// Close begins the closing handshake. It returns [ErrCloseSent] when a close
// frame was sent already. Code 0 without a reason sends the close
// frame without payload. What can't be sent, as 1005 or a reason above
// [frame.MaxCloseReason] bytes, is refused with the errors of
// [frame.AppendClose].
func (e *Endpoint) Close(code frame.StatusCode, reason string) (err error) {
	if e.closing.ended {
		return e.Err()
	}
	switch {
	case code == frame.StatusNoStatusRcvd:
		return frame.ErrCloseStatus
	case code == 0 && reason == "":
		code = frame.StatusNoStatusRcvd
	}
	if e.out, err = e.send.AppendClose(e.out, code, reason); err == nil {
		e.closing.Sent(Close{Code: code, Reason: reason})
	}
	return err
}

// Fail gives the connection up for a reason of the caller's own, with the
// status code of v (RFC 6455, section 7.1.7).
func (e *Endpoint) Fail(v frame.Violation) { e.fail(v) }

// SetCoding turns the codec on or off for messages to come; see
// [Sender.SetCoding].
func (e *Endpoint) SetCoding(on bool) { e.send.SetCoding(on) }

// State returns how far the connection is on its way to its end.
func (e *Endpoint) State() State { return e.closing.State() }

// Err returns the ending as a *[CloseError], or nil while there is none; see
// [ClosingHandshake.Err].
func (e *Endpoint) Err() error { return e.closing.Err() }

// Release gives back pooled memory and closes the codec. It is called once,
// when the connection is over; only State and Err may be called afterwards.
func (e *Endpoint) Release() {
	e.recv.Close()
	if e.codec != nil {
		e.codec.Close()
	}
}
