// Package handshake is the opening handshake of WebSocket as data: what to
// answer to a request, what to ask, what to make of an answer. It moves no
// bytes, so it serves any HTTP stack, proxies and tests alike.
//
// HTTP/1.1 (RFC 6455, section 4) and the extended CONNECT of HTTP/2 and HTTP/3
// (RFC 8441, RFC 9220) have the same shape here. Only the bytes around them
// differ, and those are the caller's.
//
// # The server's half
//
// [Server.Answer] takes a request as net/http shapes it. What it returns is
// what to send, 101 or a refusal, and what was agreed on:
//
//	resp, result, err := srv.Answer(r)
//
// A refusal says in its body what to do next and closes the connection. These
// are the statuses, in the order of the checks:
//
//	505  HTTP/1.0, or a version that is none
//	501  HTTP/2 or HTTP/3, and not an extended CONNECT with :protocol websocket
//	405  a method other than GET, with Allow
//	400  Host or target that can't be right
//	426  no Upgrade to websocket, with Upgrade
//	426  a version other than 13, with Sec-WebSocket-Version; 400 over HTTP/2
//	400  a body, a bad key
//	403  an Origin that is not allowed
//	400  malformed subprotocols or extensions
//
// Pages of other origins are refused unless [Server.Origins] lists them, since
// browsers send cookies along with any page's handshake.
//
// # The client's half
//
// [NewClient] checks the URL and the options before anything is sent.
// [Client.Request] is the request; [Client.Finish] checks the answer:
//
//	c, err := handshake.NewClient(u, nil)
//	req := c.Request(1)
//	// send req.AppendHTTP1(nil), read the status and the header
//	result, err := c.Finish(status, header)
//
// A name outside ASCII has to be given in its ASCII form, "xn--…".
//
// # What went wrong
//
// An [Error] carries the answer and wraps one of the errors of this package:
// errors.Is(err, handshake.ErrOrigin).
package handshake
