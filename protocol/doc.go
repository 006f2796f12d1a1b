// Package protocol is the WebSocket protocol without a connection (RFC 6455,
// sections 5 to 7): bytes in, events out; messages in, bytes out. It opens no
// socket, starts no goroutine and reads no clock, so it serves clients,
// servers, proxies, decoders and fuzzers alike, and everything it does can be
// tested with a table of bytes. The opening handshake is the business of the
// handshake package.
//
// # An end of a connection
//
// [Endpoint] is the whole protocol for one end. Give it what came from the
// transport, use the events, send what Output returns:
//
//	e := protocol.NewEndpoint(protocol.RoleClient, nil)
//	for e.State() != protocol.StateClosed {
//		n, rerr := conn.Read(buf)
//		events, err := e.Receive(buf[:n])
//		for _, ev := range events {
//			if ev.Kind == protocol.EventData {
//				e.Send(ev.Opcode, ev.Data) // an echo
//			}
//		}
//		if _, werr := conn.Write(e.Output()); werr != nil || err != nil {
//			break
//		}
//		if rerr != nil {
//			e.ReceiveEOF()
//		}
//	}
//	return e.Err() // a *CloseError: who closed first, with what, and why
//
// It answers pings and close frames itself, hands out whole messages, and fails
// the connection with the right status code when the peer breaks a rule.
//
// # The parts
//
// Who wants to see fragments as they come, or to answer pings in a way of his
// own, takes the parts that an Endpoint is made of. They leave all answers to
// the caller.
//
//   - [Receiver] turns bytes into events. It copies nothing: Next unmasks in
//     the caller's buffer, and the events point into it. It holds its place at
//     any byte, so a read may stop and go on anywhere.
//   - [Sender] turns messages, fragments and control frames into bytes behind
//     the caller's slice.
//   - [ClosingHandshake] is told what close frames passed and how the transport
//     ended; it says what is owed and, at last, what the ending was.
//
// # Rules and limits
//
// Each way to break the protocol is one [frame.Violation], and it is reported
// with the earliest byte that shows it: a missing mask at the second byte of a
// frame, a message too big at the length in its header, impossible UTF-8 in the
// middle of an unfinished frame. A limit is broken in the same way. What came
// before a violation is delivered before it.
//
// Limits are on by default; see [Options]. A declared length never reserves
// memory.
//
// # Extensions
//
// With [Options.Codec] messages pass through an extension. Its reserved bits
// are accepted on the first frame of a message, and nowhere else. UTF-8 and
// MaxMessageSize are checked behind the codec as well.
//
// # Memory and concurrency
//
// Nothing here is safe for concurrent use, but a Receiver and a Sender share
// nothing, so one goroutine may read while another writes. Between messages a
// Receiver and a Sender hold no memory beyond their own few hundred bytes.
package protocol
