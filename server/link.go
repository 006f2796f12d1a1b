package server

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/poll"
)

// link is what carries a session. None of its methods waits. Reading is done by
// whoever has the turn, writing by whoever set flushing.
type link interface {
	// read reads into the memory given, or into some of its own, which is valid
	// until the next call. It returns errAgain when nothing is there: a ready
	// will follow. more says whether it may be worth while to read again at
	// once.
	read(into []byte) (b []byte, more bool, err error)

	// done says that what read returned last is not needed any more.
	done()

	// edge tells of the event after which read is called: something came, or the
	// peer has ended its direction.
	edge(hangUp bool)

	// write takes what it can of p and then tail. When that is not everything,
	// a ready with evWrite will follow.
	write(p, tail []byte) (n int, err error)

	pending() int    // what write has taken and the kernel has not
	unsent() int     // what the kernel has taken and the peer has not
	flush() error    // goes on with what write has taken and the kernel has not
	closeWrite()     // ends our direction
	abort()          // ends both directions; the link is still to be closed
	close(hard bool) // lets go; a hard one says no goodbye
	wake()           // has the session's ready called soon
	needsWorker() bool

	// detach returns the connection, and what was read and not returned.
	detach() (s websocket.Stream, early []byte, err error)
	forget() // gives back what is held, after detach

	remoteAddr() net.Addr
	localAddr() net.Addr
}

// endingLink is a link that can end our direction along with what is written.
type endingLink interface {
	// endAfter says that it ends with the last of the n bytes that the next
	// write is given. It is said again when that does not take all of them.
	endAfter(n int)
}

// noLink is the link of a session whose connection was lost on the way from
// net/http.
type noLink struct{}

func (noLink) read([]byte) ([]byte, bool, error)         { return nil, false, net.ErrClosed }
func (noLink) done()                                     {}
func (noLink) edge(bool)                                 {}
func (noLink) write(_, _ []byte) (int, error)            { return 0, net.ErrClosed }
func (noLink) pending() int                              { return 0 }
func (noLink) unsent() int                               { return 0 }
func (noLink) flush() error                              { return nil }
func (noLink) closeWrite()                               {}
func (noLink) abort()                                    {}
func (noLink) close(bool)                                {}
func (noLink) wake()                                     {}
func (noLink) needsWorker() bool                         { return false }
func (noLink) detach() (websocket.Stream, []byte, error) { return nil, nil, net.ErrClosed }
func (noLink) forget()                                   {}
func (noLink) remoteAddr() net.Addr                      { return nil }
func (noLink) localAddr() net.Addr                       { return nil }

// tcpLink is the link over plain TCP in the poller. It is the session itself:
// an idle one costs nothing more.
type tcpLink Session

// Ready implements [poll.Source].
func (l *tcpLink) Ready(w *poll.Worker, ev poll.Events) { (*Session)(l).ready(w, eventsOf(ev), true) }

// Overdue implements [poll.Source].
func (l *tcpLink) Overdue() { (*Session)(l).isOverdue() }

func eventsOf(ev poll.Events) (e uint32) {
	if ev&poll.Readable != 0 {
		e |= evRead
	}
	if ev&poll.HangUp != 0 {
		e |= evRead | evHangUp
	}
	if ev&poll.Writable != 0 {
		e |= evWrite
	}
	return e
}

// isOverdue has overdue called. It is called by the poller's monitor, which can't
// wait for the lock: somebody may be compressing a large message, or in a hook
// of Trace.
func (s *Session) isOverdue() {
	if s.gather.on() {
		go s.overdue()
	}
}

// overdue ends the gathering of what a callback sends when the callback takes
// long: what others send must not wait for it.
func (s *Session) overdue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gather.on() {
		s.gather.set(flushNow)
		s.write()
	}
}

func (l *tcpLink) read(into []byte) ([]byte, bool, error) {
	n, err := l.desc.Read(into)
	return into[:n], n == len(into), err
}

func (l *tcpLink) edge(bool)                         {}
func (l *tcpLink) write(p, tail []byte) (int, error) { return l.desc.Write(p, tail) }
func (l *tcpLink) pending() int                      { return 0 }
func (l *tcpLink) unsent() int                       { return l.desc.Unsent() }
func (l *tcpLink) flush() error                      { return nil }
func (l *tcpLink) closeWrite()                       { l.desc.CloseWrite() }
func (l *tcpLink) abort()                            { l.desc.Abort() }
func (l *tcpLink) close(bool)                        { l.desc.Close() }
func (l *tcpLink) wake()                             { l.desc.Wake() }
func (l *tcpLink) needsWorker() bool                 { return true }
func (l *tcpLink) forget()                           {}
func (l *tcpLink) done()                             {}
func (l *tcpLink) remoteAddr() net.Addr              { return l.remote.addr() }
func (l *tcpLink) localAddr() net.Addr               { return tcpAddr(l.desc.LocalAddr()) }

func (l *tcpLink) detach() (websocket.Stream, []byte, error) {
	fd, err := l.desc.Release()
	if err != nil {
		return nil, nil, err
	}
	c, err := poll.Back(fd)
	return c, nil, err
}

// tcpAddr returns nil for no address.
func tcpAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}

// address is a TCP address without the zone, in little memory.
type address struct {
	ip   [16]byte
	port uint16
}

// addressOf returns the zero value for what is no TCP address.
func addressOf(a net.Addr) (c address) {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		c = address{p.Addr().As16(), p.Port()}
	}
	return c
}

func (c address) addr() net.Addr {
	if c == (address{}) {
		return nil
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(c.ip).Unmap(), c.port))
}

// overdueAfter is how long callbacks may take on goroutines that are no workers
// before they are overdue.
const overdueAfter = 2 * time.Millisecond

// watch has overdue called. When callbacks are over by then, it does no harm.
// s.mu is held.
func (s *Session) watch() {
	l, ok := s.link.(*goLink)
	switch {
	case !ok: // Init, in the poller
		time.AfterFunc(overdueAfter, s.overdue)
	case l.watch == nil:
		l.watch = time.AfterFunc(overdueAfter, s.overdue)
	default:
		l.watch.Reset(overdueAfter)
	}
}

// tlsLink is the link over TLS over TCP in the poller.
type tlsLink struct {
	s     *Session
	conn  *tls.Conn
	inner *poll.Conn
}

// Ready implements [poll.Source].
func (l *tlsLink) Ready(w *poll.Worker, ev poll.Events) { l.s.ready(w, eventsOf(ev), true) }

// Overdue implements [poll.Source].
func (l *tlsLink) Overdue() { l.s.isOverdue() }

// read is called until it returns errAgain: what crypto/tls has read ahead is
// announced by no event.
func (l *tlsLink) read(into []byte) ([]byte, bool, error) {
	if l.inner.Pending() > maxTLSAnswers {
		return nil, false, errTLSFlood
	}
	n, err := l.conn.Read(into)
	if n > 0 {
		return into[:n], true, nil // an error that came along comes again
	}
	return nil, true, err
}

func (l *tlsLink) edge(hangUp bool) {
	ev := poll.Readable
	if hangUp {
		ev |= poll.HangUp
	}
	l.inner.Event(ev)
}

// maxTLSAnswers is how many bytes may wait that crypto/tls answers the peer with:
// what we send never waits there in larger pieces than a record.
const maxTLSAnswers = 64 << 10

// maxRecord is the most plaintext a TLS record holds.
const maxRecord = 16 << 10

// write gives crypto/tls no more than the kernel takes, and a record: it can't
// go back on what it was given.
func (l *tlsLink) write(p, tail []byte) (n int, err error) {
	if err := l.flush(); err != nil || l.inner.Pending() > 0 {
		return 0, err
	}
	for _, b := range [2][]byte{p, tail} {
		for len(b) > 0 {
			m, err := l.conn.Write(b[:min(len(b), maxRecord)])
			n, b = n+m, b[m:]
			if err != nil {
				return n, err
			}
			if l.inner.Pending() > 0 {
				return n, nil
			}
		}
	}
	return n, nil
}

func (l *tlsLink) pending() int         { return l.inner.Pending() }
func (l *tlsLink) unsent() int          { return l.s.desc.Unsent() + l.inner.Pending() }
func (l *tlsLink) flush() error         { return l.inner.Flush() }
func (l *tlsLink) closeWrite()          { l.conn.CloseWrite(); l.s.desc.CloseWrite() }
func (l *tlsLink) abort()               { l.s.desc.Abort() }
func (l *tlsLink) wake()                { l.s.desc.Wake() }
func (l *tlsLink) needsWorker() bool    { return true }
func (l *tlsLink) forget()              {}
func (l *tlsLink) done()                {}
func (l *tlsLink) remoteAddr() net.Addr { return l.inner.RemoteAddr() }
func (l *tlsLink) localAddr() net.Addr  { return l.inner.LocalAddr() }

func (l *tlsLink) close(hard bool) {
	if hard {
		l.inner.Close()
	} else {
		l.conn.Close()
	}
}

func (l *tlsLink) detach() (websocket.Stream, []byte, error) {
	if l.inner.Pending() > 0 {
		return nil, nil, ErrNotDetachable
	}
	fd, err := l.s.desc.Release()
	if err != nil {
		return nil, nil, err
	}
	c, err := poll.Back(fd)
	if err != nil {
		return nil, nil, err
	}
	l.inner.Become(c)
	return l.conn, nil, nil
}
