package h2conn

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/poll"
	"github.com/lariat-go/websocket/internal/stream"
)

// polled carries a connection over TLS in a poller: a worker reads, and runs the
// callbacks of watched streams; nobody ever waits for the kernel, in which what
// crypto/tls was given and the kernel does not take is kept until it does.
type polled struct {
	c     *Conn
	desc  poll.Desc
	tls   *tls.Conn
	inner *poll.Conn

	// Guarded by c.mu.
	events  poll.Events // to be worked through
	reading bool        // somebody does, and will look again
	busy    int         // goroutines that use tls or desc
	blocked bool        // the kernel takes no more
	left    int         // bytes the peer has not taken, when that was looked at last
	timer   *time.Timer // looks again
	shut    bool        // desc is closed
}

const (
	readTurn  = 64 << 10  // read before callbacks are called
	readShare = 512 << 10 // read before other connections have their turn

	// mostPending is how much the kernel may not have taken while there is more to
	// be read: far more than is written at once. crypto/tls answers whoever updates
	// his keys, without regard to who is flushing.
	mostPending = 1 << 20
)

// adopt moves a connection into the poller, if it can. c.mu is held, and nobody
// writes.
func (c *Conn) adopt() bool {
	tc, ok := c.nc.(*tls.Conn)
	if !ok || c.o.Poller == nil || c.flushing || c.over {
		return false
	}
	tcp, ok := tc.NetConn().(*net.TCPConn)
	if !ok {
		return false
	}
	p := &polled{c: c, tls: tc}
	p.inner = poll.NewConn(&p.desc, tc.LocalAddr(), tc.RemoteAddr())
	p.inner.OnClose(p.closedOutside)
	if !poll.AdoptTLS(tc, p.inner) {
		return false
	}
	fd, err := poll.Take(tcp)
	if err != nil {
		p.inner.Become(tcp)
		return false
	}
	if err := c.o.Poller.Add(&p.desc, fd, p); err != nil {
		back, err := poll.Back(fd)
		if err != nil {
			c.fail(err)
			return false
		}
		p.inner.Become(back)
		c.t = stream.New(tc)
		return false
	}
	c.polled = p
	p.events = poll.Readable // of which crypto/tls may know already
	p.desc.Wake()
	return true
}

// errUnread is the end of a connection whose peer has TLS answer it, and does not
// read the answers.
var errUnread = errors.New("websocket: the peer of an HTTP/2 connection does not read what TLS answers it")

// Ready implements [poll.Source].
func (p *polled) Ready(w *poll.Worker, ev poll.Events) {
	c := p.c
	c.mu.Lock()
	p.events |= ev
	if p.reading {
		c.unlock()
		return
	}
	p.reading = true
	mine := c.reader
	for p.events != 0 && !p.shut {
		ev := p.events
		p.events = 0
		if ev&poll.Writable != 0 {
			p.writable()
		}
		if !p.reads(w, ev) {
			break // another one does by now, or will
		}
	}
	if c.reader == mine {
		p.reading = false
	}
	c.unlock()
}

// Overdue implements [poll.Source].
func (p *polled) Overdue() { go p.overdue() }

func (p *polled) overdue() {
	c := p.c
	c.mu.Lock()
	if !p.reading || c.calling == nil {
		c.unlock()
		return
	}
	c.overdue()
}

// reads reads what there is and calls the streams that it is for. It reports
// whether the caller is to go on. c.mu is held, and released meanwhile.
func (p *polled) reads(w *poll.Worker, ev poll.Events) bool {
	p.inner.Event(ev)
	for total := 0; !p.c.closed; {
		n, err := p.fill(w.Buffer())
		if !p.c.turn() {
			return false
		}
		switch total += n; {
		case err == poll.ErrAgain:
			return true
		case err != nil:
			p.c.ended(err)
			return p.c.turn()
		case total >= readShare:
			p.desc.Wake()
			p.events |= poll.Readable
			return false
		}
	}
	return true
}

// fill gives the machine what has come, but not too much of it. c.mu is held,
// and released meanwhile.
func (p *polled) fill(buf []byte) (n int, err error) {
	p.busy++
	for n < readTurn && err == nil {
		var m int
		p.c.mu.Unlock()
		if p.inner.Pending() > mostPending {
			err = errUnread
		} else {
			m, err = p.tls.Read(buf)
		}
		p.c.mu.Lock()
		if m > 0 {
			n += m
			p.c.receive(buf[:m])
		}
	}
	p.done()
	if err != nil && errors.Is(err, poll.ErrAgain) {
		err = poll.ErrAgain // crypto/tls may wrap it
	}
	return n, err
}

// done says that a goroutine does not use tls and desc any more. c.mu is held.
func (p *polled) done() {
	p.busy--
	p.tidy()
}

// tidy closes the descriptor as soon as nobody uses it. c.mu is held.
func (p *polled) tidy() {
	if !p.c.closed || p.busy > 0 || p.shut {
		return
	}
	p.shut = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.inner.Shut()
	if p.blocked {
		p.blocked = false
		p.c.more(net.ErrClosed)
	}
	close(p.c.shut)
}

// close closes the connection. c.mu is held.
func (p *polled) close() {
	p.desc.Abort()
	p.tidy()
}

// closeWrite ends our direction. c.mu is held.
func (p *polled) closeWrite() {
	p.busy++
	go func() {
		p.tls.CloseWrite()
		if p.inner.Pending() == 0 {
			p.desc.CloseWrite()
		}
		p.c.mu.Lock()
		p.done()
		p.c.unlock()
	}()
}

// closedOutside is called when somebody else closes the tls.Conn, as
// http.Server.Close does, who may hold locks that those want who are told of it.
func (p *polled) closedOutside() {
	go func() {
		p.c.mu.Lock()
		p.c.fail(net.ErrClosed)
		p.c.closeSocket()
		p.c.unlock()
	}()
}

// flush writes what is to be written until nothing is left or the kernel takes
// no more: then writable goes on. c.flushing was set by the caller. c.mu is held,
// and released while writing.
func (p *polled) flush() {
	c := p.c
	for {
		buf := c.takeOutput()
		p.busy++
		c.mu.Unlock()
		_, err := p.tls.Write(buf)
		bufpool.Put(buf)
		left := p.inner.Pending()
		c.mu.Lock()
		if left > 0 && err == nil && !c.closed {
			p.blocked = true
			p.watch()
			p.done()
			return
		}
		p.done()
		if !c.more(err) {
			return
		}
	}
}

// writable goes on writing: the kernel takes more. c.mu is held, and released
// while writing.
func (p *polled) writable() {
	if !p.blocked || p.shut {
		return
	}
	err := p.inner.Flush()
	if err == nil && p.inner.Pending() > 0 {
		return
	}
	p.blocked = false
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.c.more(err) {
		p.flush()
	}
}

// watch gives the connection up when the peer takes too little. c.mu is held.
func (p *polled) watch() {
	d := p.c.o.WriteTimeout
	if d <= 0 {
		return
	}
	p.left = p.inner.Pending() + p.desc.Unsent()
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.look)
	} else {
		p.timer.Reset(d)
	}
}

func (p *polled) look() {
	p.c.mu.Lock()
	defer p.c.unlock()
	if !p.blocked || p.shut {
		return
	}
	if before := p.left; before-p.inner.Pending()-p.desc.Unsent() < progress {
		p.c.fail(errTimeout)
		return
	}
	p.watch()
}
