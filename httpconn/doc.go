// Package httpconn is the client's side of one HTTP/1.1 or HTTP/2 connection as
// a value: bytes in, events out, and bytes to be sent. It opens no socket, starts
// no goroutine, takes no lock and reads no clock. The caller moves the bytes, by
// whatever means: a raw socket and poll, an event loop, a test.
//
// It carries requests, several at once over HTTP/2 and one after another over
// HTTP/1.1, and WebSockets: over HTTP/1.1 the connection becomes one, over HTTP/2
// each takes a stream beside the requests. Whoever wants a connection that looks
// after itself takes package client, or websocket.Dial.
//
// # The loop
//
// Everything is done in four steps, which repeat:
//
//   - call a method that wants something: [Conn.Request], [Conn.Body],
//     [Conn.Upgrade];
//   - send what [Conn.Output] returns;
//   - read from the server, and give it to [Conn.Receive], or tell the end by
//     [Conn.ReceiveEOF];
//   - look at the events.
//
// Receive too may have something to send: an answer to a PING, more window. So
// call Output after each call, of whatever method. The events and the Data in
// them are valid until the next call of Receive.
//
//	c, err := httpconn.New(&httpconn.Options{Authority: "example.com"})
//	...
//	id, err := c.Request(&httpconn.Request{Path: "/"})
//	...
//	for !over {
//		conn.Write(c.Output())
//		n, err := conn.Read(buf)
//		...
//		events, err := c.Receive(buf[:n])
//		for _, ev := range events {
//			switch ev.Kind {
//			case httpconn.Status: // ev.Status, ev.Header
//			case httpconn.Data: // ev.Data
//			case httpconn.Done, httpconn.Failed: // ev.Err
//				over = true
//			}
//		}
//	}
//
// # Events
//
// A response is an [Interim] for each 1xx, a [Status], as many [Data] as it
// takes, perhaps a [Trailer], and [Done]. A stream that comes to nothing is
// [Failed], with the reason; others over HTTP/2 go on. One of the two comes for
// every stream, and is the last, unless the caller gave it up by [Conn.Cancel] or
// [Conn.Close].
//
// When the server breaks the rules of the connection, Receive returns the events
// up to there, a Failed for each stream, and the error.
//
// # Bodies
//
// [Request.Body] says how long the body is, or -1 for one that ends when
// [Conn.End] says so, with trailers if need be: chunks over HTTP/1.1. The bytes
// go to [Conn.Body], which over HTTP/2 takes as many as the server's windows let
// through; [Writable] tells when it takes more. Nothing is sent by itself: to wait
// for [Interim] 100 after "Expect: 100-continue" is up to the caller.
//
// Over HTTP/2 the server may send [Options.Window] bytes of each body, and as many
// more as [Conn.Consumed] says were used. Over HTTP/1.1 whoever wants no more does
// not read from the transport.
//
// # WebSockets
//
// The opening handshake is made by package handshake, for the version of HTTP the
// connection has, and goes to [Conn.Upgrade]. After the event [Upgraded],
// [Conn.Accepted] returns a [protocol.Endpoint]: Data of the stream goes to its
// Receive, and what its Output returns goes to Body. The server's first messages
// may be in the same packet as its answer; they come as Data right behind
// Upgraded. Any other answer is a response, and the connection can be used again.
//
// Over HTTP/2 the server's SETTINGS say whether it allows WebSockets. They come
// first of all: wait for [Ready]. Over HTTP/1.1 a connection that was upgraded
// takes no more requests: [ErrUpgraded].
//
// # The end
//
// [Conn.IsOpen] reports whether requests can still be made, and [Conn.Finished]
// whether the transport can be closed. HTTP/1.1 ends with a response that says
// Connection: close, that is HTTP/1.0 without keep-alive, whose body goes on until
// then, or that comes before the request was sent. HTTP/2 ends when the server
// says [GoAway], and both when [Conn.Drain] or [Conn.Close] is called. Call Close
// in the end in any case: it gives back memory.
//
// # Strictness
//
// What is not clear in HTTP/1.1 is refused, not guessed: lines end with CRLF,
// nothing is folded, nothing stands before a colon, a body has one length, and
// bytes that answer no request are an error. Requests are checked before anything
// of them is queued, so that no part of one can begin another.
//
// Heads are limited in bytes and fields, interim responses to 8 for a request, and
// frames of HTTP/2 that carry nothing where [Options.Now] gives a clock.
package httpconn
