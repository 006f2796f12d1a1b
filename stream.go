package websocket

import (
	"io"
	"time"
)

// Stream is the transport under a [Conn]: any [net.Conn] is one, and so are
// the streams of HTTP/2 and HTTP/3.
//
// Read and Write are called by one goroutine each. A deadline that passes must
// make a pending or later Read or Write return an error whose Timeout method
// reports true, and must not harm what comes after a later deadline is set.
//
// A Stream may also have these methods, which are found by type assertion:
//
//	// WaitRead blocks until Read would not, so that no buffer is held while
//	// nothing has come.
//	WaitRead() error
//
//	// Writev writes a header and a payload in one piece: one system call,
//	// one TLS record, one DATA frame.
//	Writev(hdr, payload []byte) (int, error)
//
//	// CloseWrite ends the sending direction: FIN, or END_STREAM.
//	CloseWrite() error
//
//	// EndAfter has the sending direction end with the nth byte written from
//	// now on: END_STREAM goes along with it. It is called before that is
//	// written, perhaps again with what is left of it, and must not wait.
//	// CloseWrite has nothing left to do then.
//	EndAfter(n int)
//
//	// OnDrain has f called, in a goroutine of its own, when the server
//	// drains the connection that carries the stream: a Conn closes with
//	// 1001 then.
//	OnDrain(f func())
//
//	// Abort ends a stream of HTTP/2 or HTTP/3 at once, with an error code of
//	// its protocol: CANCEL, H3_REQUEST_CANCELLED. It is called before Close
//	// where no goodbye is to be said.
//	Abort(code uint32)
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}
