// Package dial opens transports and makes opening handshakes on them, for
// clients of every kind.
//
// A [Dialer] goes the way to a [Target] step by step: the lookup of a name, the
// connection to one of its addresses, the tunnels through a chain of proxies,
// TLS with the server. Each step has its own time and is told of when it begins
// and when it ends. What comes out is a [Link]:
//
//	d := &dial.Dialer{ConnectTimeout: 10 * time.Second, OnStep: log}
//	l, err := d.Connect(ctx, &dial.Target{Host: "example.com", Port: "443", Secure: true}, dial.ALPNHTTP1)
//
// An opening handshake goes over a [Wire]: a connection of HTTP/1.1 ([Wire1]) or
// a stream of HTTP/2 ([Wire2]). An [Upgrader] builds the request and makes of the
// answer what carries a WebSocket, a refusal with its body, or, by the rule of
// [Redirects], where to go instead:
//
//	u := &dial.Upgrader{UpgradeTimeout: 10 * time.Second}
//	req, err := u.Request(hs, target, 1)
//	u.Sending(req)
//	opened, err := u.Upgrade(ctx, dial.NewWire1(l, req), hs, req)
//
// The options are those of the caller, checked and filled in: here 0 is no bound
// and no limit.
package dial
