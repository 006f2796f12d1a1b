package poll

import (
	"crypto/tls"
	"net"
	"reflect"
	"unsafe"
)

// AdoptTLS puts inner under c, in place of the connection that c was made with,
// and reports whether it could. The handshake of c must be over, and nobody may
// use c, or get to it by another way, while AdoptTLS runs; the connection that
// was there before is not closed.
//
// Why: crypto/tls is bound to the net.Conn that it got when the handshake began,
// a *net.TCPConn of net/http, whose Read waits on a goroutine and whose
// descriptor is in Go's netpoller. A session of ours must read without waiting,
// from a descriptor in a poller of ours, and crypto/tls has no way of moving a
// connection. A net.Conn of our own under every tls.Conn from the start would
// need a listener of our own, and the server is the user's.
//
// Why it is safe: the field is written as what it is, a variable of type
// net.Conn, through its address; so the garbage collector sees an ordinary
// assignment. Nothing else of c depends on which net.Conn it has. And no other
// goroutine looks at that time.
//
// When crypto/tls changes, so that there is no field of this name and type any
// more, or that c.NetConn does not give what was put there, nothing is changed
// and the result is false: the caller keeps a goroutine for the connection.
func AdoptTLS(c *tls.Conn, inner *Conn) bool {
	if c == nil || inner == nil || !c.ConnectionState().HandshakeComplete {
		return false
	}
	field, ok := reflect.TypeFor[tls.Conn]().FieldByName("conn")
	if !ok || field.Type != reflect.TypeFor[net.Conn]() || len(field.Index) != 1 {
		return false
	}
	at := (*net.Conn)(unsafe.Add(unsafe.Pointer(c), field.Offset))
	old := *at
	*at = inner
	if c.NetConn() != net.Conn(inner) {
		*at = old
		return false
	}
	return true
}
