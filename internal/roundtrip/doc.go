// Package roundtrip makes exchanges of requests and responses as net/http's
// RoundTripper does: bodies both ways at once, Expect: 100-continue, interim
// responses, trailers, cancelling by context, the hooks of httptrace, and sending
// again what a server has not looked at.
//
// One exchange is the same over any version of HTTP. What is below it, a
// [Stream], sends a request whose head is on its way already, and gives what
// comes of the response: a stream of HTTP/2 ([H2]), or a connection of HTTP/1.1
// while it is one request's turn.
package roundtrip
