package server

import (
	"crypto/tls"
	"net"

	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/poll"
	"github.com/lariat-go/websocket/internal/stream"
)

// connect finds the best link for a transport: the poller's for TCP and for TLS
// over it, where there is a poller. Events may come at once; they wait for the
// turn, which the caller has.
func (s *Session) connect(t stream.Transport) error {
	switch c := t.Unwrap().(type) {
	case *net.TCPConn:
		if done, err := s.pollTCP(c); done || err != nil {
			return err
		}
	case *h2conn.Stream:
		l := &streamLink{s: s, t: c}
		s.link = l
		c.Watch(l) // what has come waits for the turn, which the caller has
		c.OnDrain(func() { s.kick(evDrain) })
		return nil
	case *tls.Conn:
		if tc, ok := c.NetConn().(*net.TCPConn); ok {
			if done, err := s.pollTLS(c, tc); done || err != nil {
				return err
			}
		}
	}
	s.link = newGoLink(s, t)
	return nil
}

// pollTCP moves a connection into the poller, if it can. After an error the
// connection is closed.
func (s *Session) pollTCP(c *net.TCPConn) (done bool, err error) {
	p := s.conf.srv.poll()
	if p == nil {
		return false, nil
	}
	s.remote = addressOf(c.RemoteAddr())
	fd, err := poll.Take(c)
	if err != nil {
		return false, nil // c is as it was
	}
	back, err := s.give(p, fd, (*tcpLink)(s))
	if back != nil {
		s.link = newGoLink(s, stream.New(back))
	}
	return err == nil, err
}

// pollTLS does so with the connection tc under c.
func (s *Session) pollTLS(c *tls.Conn, tc *net.TCPConn) (done bool, err error) {
	p := s.conf.srv.poll()
	if p == nil {
		return false, nil
	}
	inner := poll.NewConn(&s.desc, c.LocalAddr(), c.RemoteAddr())
	if !poll.AdoptTLS(c, inner) {
		return false, nil
	}
	fd, err := poll.Take(tc)
	if err != nil {
		inner.Become(tc)
		return false, nil
	}
	back, err := s.give(p, fd, &tlsLink{s: s, conn: c, inner: inner})
	if back != nil {
		inner.Become(back)
		s.link = newGoLink(s, stream.New(c))
	}
	return err == nil, err
}

// give gives a descriptor to the poller, for l. Where the poller can't take it,
// it comes back as a connection.
func (s *Session) give(p *poll.Poller, fd int, l polled) (back net.Conn, err error) {
	s.link = l
	if p.Add(&s.desc, fd, l) != nil {
		return poll.Back(fd)
	}
	s.shard = uint8(s.desc.Loop())
	return nil, nil
}

// polled is a link over the poller.
type polled interface {
	link
	poll.Source
}
