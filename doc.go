// Package websocket opens, accepts and uses WebSocket connections (RFC 6455)
// over HTTP/1.1 and HTTP/2 (RFC 8441).
//
// # Overview
//
// A server answers the opening handshake in any [http.Handler]:
//
//	func echo(w http.ResponseWriter, r *http.Request) {
//		c, err := websocket.Accept(w, r, nil)
//		if err != nil {
//			return // the client has its answer
//		}
//		defer c.CloseNow()
//		for m, err := range c.Messages(r.Context()) {
//			…
//		}
//	}
//
// A client calls [Dial]:
//
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//
// Both have a [Conn] then, with the same methods. Options are structs, given by
// pointer; nil and zero fields mean the documented defaults, and a negative
// number in a limit means none. What cannot be used is an [*OptionError]: Dial
// sends nothing then, and Accept answers 500.
//
// This package moves the bytes. The rules of the protocol are in packages of
// their own that move none and may be used without it: frame, extension,
// deflate, protocol and handshake.
//
// For servers of many connections there is package server: handlers with
// callbacks, whose sessions need no goroutine while they wait, groups that are
// sent the same, and a shutdown that tells everybody.
//
// # Reading
//
// [Conn.Read] returns the next message, whole. There are other ways for other
// needs:
//
//   - [Conn.Messages] is a loop over Read.
//   - [Conn.Append] reads into memory that is used again, and then allocates
//     nothing.
//   - [Conn.ReadBatch] takes all messages that one read of the transport
//     brought, for high rates.
//   - [Conn.Reader] gives the bytes of one message as they come, for large ones.
//   - [Conn.CloseRead] is for programs that want no messages.
//   - [NetConn] makes a stream of bytes of the messages.
//
// Somebody has to read. Pings are answered, pongs and the peer's close frame
// are seen by the goroutine that is in a read method; nothing else reads in the
// background. A reader that is slow slows the peer down, as with any TCP
// connection.
//
// # Writing
//
// [Conn.Write] sends a message in one frame, [Conn.Writer] one of unknown
// length in fragments, [Conn.WriteBatch] several messages in one write, and
// [Conn.WritePrepared] one message to many connections. When Write returns, its
// bytes may be used again.
//
// A Write that finds another goroutine writing leaves its frame for that one to
// send along, so that one system call carries what many goroutines had to say.
// Up to 64 KiB wait so; a Write that finds more waits itself. That is the
// back-pressure of a peer that takes its data slowly. A peer that takes less
// than 1 KiB in WriteTimeout is dropped, with [ErrWriteTimeout].
//
// # Contexts
//
// The end of a context never harms a read. [Conn.Read] returns an error that
// wraps [context.Cause]; what had come of a message is kept, be it half of a
// header, and the next read goes on from there. So a deadline for a read is an
// ordinary thing:
//
//	ctx, cancel := context.WithTimeout(ctx, time.Second)
//	t, p, err := c.Read(ctx)
//	cancel()
//	if errors.Is(err, context.DeadlineExceeded) {
//		… // nothing came in this second; c is as good as before
//	}
//
// The end of a context cancels a write as long as nothing of the message has
// left. In the middle of a frame there is no way back: the connection is lost,
// and the error matches [ErrHalfWritten].
//
// The context of [Dial] bounds the opening of the connection and has no meaning
// after that. A connection made by [Accept] does not end with the request's
// context or the handler.
//
// # Closing
//
// [Conn.Close] makes the closing handshake: what is queued is sent, then a close
// frame; the peer's is awaited; the transport is closed. All of it takes
// CloseTimeout at most, 5 s by default. [Conn.CloseNow] drops the connection,
// which the peer sees as 1006. It does nothing to a connection that has ended,
// so it is what to defer.
//
// Once a connection has ended, every call returns how: a [*CloseError] with the
// codes and reasons of both sides, who was first, and the cause when something
// went wrong. It matches [net.ErrClosed]. [CloseStatus] is a short way to the
// peer's code:
//
//	switch websocket.CloseStatus(err) {
//	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
//		// the peer is done
//	case websocket.StatusNoStatusRcvd:
//		// a close frame without a code, as a browser's close() sends it
//	case websocket.StatusAbnormalClosure:
//		// no close frame came: the network, or a crash
//	}
//
// A peer that has vanished without a word is not noticed by reading alone.
// [KeepAlive] pings one that has been silent, and fails the connection with
// [ErrKeepAlive] when it stays so. [Conn.Ping] measures the round-trip time.
//
// # Concurrency
//
// All methods may be called from any number of goroutines at the same time,
// except that one at a time may read: a second one gets [ErrConcurrentRead].
// Messages written by several goroutines never mix. No order of calls panics.
// The functions in the options (OnPing, OnPong, OnEnd, [Trace]) are called by the
// goroutine that does the work: they must be quick, and must not wait for the
// connection.
//
// # Compression
//
// Messages are compressed when both ends have an extension for it; the deflate
// package has the one that browsers speak:
//
//	Extensions: []extension.Extension{deflate.New(nil)}
//
// It is off by default, since it costs processor time and, with context
// takeover, memory; see the guide of that package. The NoCompress field of
// [Outgoing] sends one message as it is.
//
// # HTTP/2
//
// Over HTTP/2 a connection is one stream among others, opened by an extended
// CONNECT. Nothing else differs: the same [Conn], the same options, the same
// endings; [Conn.HTTPVersion] tells. Servers speak it with package h2.
//
// A client asks for it by the HTTP field of [DialOptions]. With HTTPAuto a server
// that has it for WebSockets is spoken to over HTTP/2, any other over HTTP/1.1.
// A [Pool] puts many sockets, and ordinary requests, on one connection:
//
//	var pool websocket.Pool
//	defer pool.Close()
//	o := &websocket.DialOptions{HTTP: websocket.HTTPAuto, Pool: &pool}
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", o)
//
// Without a Pool each socket has a connection to itself. The end of one stream,
// by an error or not, does not touch the others. Streams and connections that are
// ended by an error code give an [*HTTP2StreamError] or an [*HTTP2ConnError].
//
// # Limits
//
// All limits are on by default. A received message may have 1 MiB, on the wire
// and after decompression; a larger one ends the connection with 1009 as soon as
// a header says so, before its bytes are read. A declared length reserves no
// memory. There are limits on fragments, on control frames in a time, on the
// time a peer may take to accept data, to open and to close, and on opening
// handshakes under way. [ConnOptions], [DialOptions] and [AcceptOptions] have
// them all.
//
// A server also needs the limits of [http.Server], whose defaults let a client
// take forever to send its request; see [Accept].
//
// # Origins
//
// Browsers let any page open a WebSocket to any server, and send the user's
// cookies along. So [Accept] refuses a request whose Origin header is not that
// of the server itself: the same host and port, and the same scheme where it is
// known. Other origins are listed in the Origins field of [AcceptOptions].
// Programs that are no browsers send no Origin, and pass: Origins is no
// authentication.
//
// # Testing
//
// The wstest package has connections in memory that work in the bubbles of
// [testing/synctest], a peer that follows a script of exact frames, networks
// that misbehave, and a server for clients under test.
package websocket
