package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/lariat-go/websocket"
)

// pump gives what comes on a socket to its handler or, without one, to the
// owner, in the goroutine that calls run.
type pump struct {
	source  Source
	mail    *mailbox
	steps   *steps
	ref     Ref
	socket  *websocket.Conn
	handler Handler // nil: messages are the owner's

	failed bool // the handler returned an error, panicked, or ended the goroutine
}

// pump does the work of a socket that has an owner or a handler. It returns when
// the socket has ended and Closed was told of.
func (c *Conn) pump(ref Ref, s *websocket.Conn, h Handler) {
	p := pump{source: Source{c}, mail: &c.mail, steps: c.steps, ref: ref, socket: s, handler: h}
	p.run()
}

// run reads the socket until it ends. Closed comes last and exactly once, to
// the handler and to the owner, whatever the handler does.
func (p *pump) run() {
	var err error
	defer func() {
		end := p.ending(err)
		defer p.mail.emit(Closed{p.source, p.ref, p.socket, end})
		if p.handler != nil {
			p.guard(func() error { p.handler.Closed(end); return nil })
		}
	}()
	if p.handler == nil {
		err = p.tell()
	} else {
		err = p.handle()
	}
}

// tell reads messages for the owner, who keeps their bytes.
func (p *pump) tell() error {
	for {
		t, data, err := p.socket.Read(context.Background())
		if err != nil {
			return err
		}
		if p.mail.inHurry() {
			continue // nobody slows down what comes
		}
		p.mail.emit(Message{p.source, p.ref, p.socket, t, data})
	}
}

// handle reads messages for the handler, as many as come at once.
func (p *pump) handle() error {
	var batch []websocket.Message
	for {
		var err error
		batch, err = p.socket.ReadBatch(context.Background(), batch[:0])
		if err != nil {
			return err
		}
		for i := range batch {
			if err := p.guard(func() error { return p.handler.Message(batch[i]) }); err != nil {
				return err
			}
		}
	}
}

// guard calls the handler. Its error, and its panic, is logged and returned.
func (p *pump) guard(call func() error) (err error) {
	p.failed = true
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err = fmt.Errorf("websocket: handler panicked: %v", v)
		p.steps.handlerFailed(p.ref, err, debug.Stack())
	}()
	err = call()
	if err == nil {
		p.failed = false
		return nil
	}
	p.steps.handlerFailed(p.ref, err, nil)
	return err
}

// ending closes the socket if it has not ended, and returns how it did.
func (p *pump) ending(err error) *websocket.CloseError {
	switch end, ok := errors.AsType[*websocket.CloseError](err); {
	case p.failed && ok:
		if p.socket.Close(end.Code, end.Reason) != nil {
			p.fail()
		}
	case p.failed || !ok:
		p.fail()
	default:
		return end
	}
	if _, _, err := p.socket.Read(context.Background()); err != nil {
		if end, ok := errors.AsType[*websocket.CloseError](err); ok {
			return end
		}
	}
	return &websocket.CloseError{Code: websocket.StatusAbnormalClosure, Cause: err}
}

// fail closes the socket because of an error of this end.
func (p *pump) fail() { _ = p.socket.Close(websocket.StatusInternalError, "") }
