package wstest

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
)

// Listener is a network in memory with one server on it: a [net.Listener] for
// an [net/http.Server], and a Dial for the options of clients, NetDial of
// [websocket.DialOptions] or Dial of package client. It works in the bubbles of
// testing/synctest, and can be told to be down.
//
//	ln := wstest.NewListener(nil)
//	defer ln.Close()
//	go http.Serve(ln, handler)
//	c, err := websocket.Dial(ctx, "ws://example.com/", &websocket.DialOptions{NetDial: ln.Dial})
//
// Its methods may be called from any goroutine.
type Listener struct {
	o        PipeOptions
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu    sync.Mutex
	down  error
	dials int
	conns map[*PipeConn]struct{} // the servers' ends
}

// NewListener returns a Listener whose connections are made by [Pipe] with o,
// nil for the defaults.
func NewListener(o *PipeOptions) *Listener {
	l := &Listener{incoming: make(chan net.Conn), closed: make(chan struct{}), conns: make(map[*PipeConn]struct{})}
	if o != nil {
		l.o = *o
	}
	return l
}

// Dial connects to the server, whatever the address. It fails with ECONNREFUSED
// when the Listener is closed, and with the error given to Down.
func (l *Listener) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	l.dials++
	down := l.down
	l.mu.Unlock()
	if down == nil {
		client, server := Pipe(&l.o)
		select {
		case l.incoming <- server:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.conns[server] = struct{}{}
			if l.down != nil { // since a moment ago
				l.cut()
			}
			return client, nil
		case <-l.closed:
			down = os.NewSyscallError("connect", syscall.ECONNREFUSED)
		case <-ctx.Done():
			down = ctx.Err()
		}
		client.Close()
		server.Close()
	}
	return nil, &net.OpError{Op: "dial", Net: network, Addr: pipeAddr("listener"), Err: down}
}

// Down has Dial fail with err from now on, with ECONNREFUSED when that is nil,
// and cuts the connections there are, as the death of the server does.
func (l *Listener) Down(err error) {
	if err == nil {
		err = os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = err
	l.cut()
}

// Up lets clients connect again.
func (l *Listener) Up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = nil
}

// Cut cuts the connections there are, and lets clients connect anew.
func (l *Listener) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut()
}

func (l *Listener) cut() {
	for c := range l.conns {
		c.Cut()
	}
	clear(l.conns)
}

// Dials returns how often Dial was called.
func (l *Listener) Dials() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials
}

// Accept waits for a client. It is the server's.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the Listener. Connections live on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address of the network "pipe".
func (l *Listener) Addr() net.Addr { return pipeAddr("listener") }
