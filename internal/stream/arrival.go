package stream

import "net"

// Arrival returns a function that reports whether what was written to t before its
// first call has arrived: whether the kernel of the peer, or of a proxy on the way, has
// acknowledged it. A stream of HTTP/2 answers for what its connection has still
// to write, too. Where it can't be told, writing is arriving. An error means that
// it never will.
func Arrival(t Transport) func() (bool, error) {
	for u := t.Unwrap(); ; {
		switch c := u.(type) {
		case interface {
			Arrival() func() (bool, error)
		}:
			return c.Arrival()
		case *net.TCPConn:
			return acknowledged(c)
		case interface{ NetConn() net.Conn }:
			u = c.NetConn()
		default:
			return unknown
		}
	}
}

// unknown is the answer of a transport that can't tell.
func unknown() (bool, error) { return true, nil }
