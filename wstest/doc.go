// Package wstest tests code that speaks WebSocket, without sockets where
// none are needed and without waiting.
//
// # A pair of connections
//
// [Pair] returns the two ends of an open connection in memory, after an
// opening handshake between them, so that subprotocols and extensions are
// agreed as they would be over a network:
//
//	client, server := wstest.Pair(t, nil)
//	go handle(server)
//	client.Write(ctx, websocket.MessageText, []byte("Hello"))
//
// The transport below is a [Pipe]: it has flow control, deadlines, half-close
// and everything else of a TCP connection, and all of it works in the bubble
// of [testing/synctest], where a time-out of ten seconds passes at once.
//
// # Bad networks
//
// Each end of a [Pipe] can be made to misbehave: [PipeConn.Chunk] delivers few
// bytes at a time, [PipeConn.Stall] delivers nothing, [PipeConn.Cut] resets
// the connection. [PipeConn.Stats] says how many bytes and calls there were.
//
// # A scripted peer
//
// [Peer] is the other end as a script: it sends exact bytes, also wrong ones,
// and expects exact frames. What differs is shown frame by frame, after the
// conversation so far:
//
//	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
//	peer.SendHex("81 85 37fa213d 7f9f4d5158") // the example of RFC 6455, section 5.7
//	peer.Expect(wstest.Text("Hello"))
//	peer.ExpectClose(websocket.StatusNormalClosure)
//	peer.ExpectEOF()
//
// [Dump] shows the frames in any bytes.
//
// # A server
//
// [Server] serves a handler on the loopback interface until the test ends, for
// clients that dial. [Echo] is a handler.
package wstest
