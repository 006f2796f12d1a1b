// Package client keeps a connection to one server up, and carries HTTP requests
// and WebSockets on it.
//
// # Overview
//
// [Open] returns at once and connects in the background:
//
//	c, err := client.Open("example.com:443", nil)
//	if err != nil {
//		return err // an option cannot be used
//	}
//	defer c.Shutdown(context.Background())
//
// The name is looked up, TCP connected, proxies are passed, TLS and the version
// of HTTP agreed on, each within a time of its own. When that does not succeed, or
// the connection is lost later, it is made again, by the rules below. Of a bare
// host:port, port 443 means TLS, any other TCP; a URL says so itself.
// [Conn.AwaitUp] waits until the connection is up, but what needs it waits by
// itself.
//
// For one WebSocket and nothing else there is [websocket.Dial]. For one that is
// opened again whenever it is lost, package reconnect has callbacks, an outbox
// and gentler waits, on top of this package.
//
// # Requests
//
// A Conn is an [http.RoundTripper] whose requests all go to its server, on this
// connection:
//
//	res, err := (&http.Client{Transport: c}).Get("https://example.com/login")
//
// The URL may leave out the server. Cookies are kept if there is a CookieJar;
// nothing is decompressed. Bodies are streamed both ways; interim responses and
// trailers arrive. Over HTTP/1.1 requests wait for each other, over HTTP/2 they
// run side by side. The end of a request's context cancels it.
//
// # Sockets
//
// [Conn.Upgrade] opens a WebSocket:
//
//	s, err := c.Upgrade(ctx, "/chat?room=1", nil)
//
// It is a [*websocket.Conn]; all that package says about reading, writing and
// closing holds. A refusal is a [*websocket.HandshakeError] with the status, the
// header and the body of the answer.
//
// Over HTTP/1.1, which is the default, the connection is the socket's alone from
// then on: other requests get [ErrUpgraded], and when the user closes the socket
// the Conn is over as well. [Conn.Detach] gives the socket away for good, and ends
// the Conn. Over HTTP/2 a socket is one stream among others: requests go on, more
// sockets can be opened, and each ends for itself. Protocols asks for that:
//
//	o := &client.Options{Protocols: []client.Protocol{client.HTTP2, client.HTTP1}}
//
// A socket that is lost is not opened again: what has to be said after that only
// the program knows. It is told, and upgrades again (C2).
//
// # Subprotocols
//
// [UpgradeOptions] pairs the names of subprotocols with what makes their
// handlers. They are offered in this order, and the server must choose one of
// them. What it has chosen decides who handles the socket:
//
//	s, err := c.Upgrade(ctx, "/rpc", &client.UpgradeOptions{
//		Subprotocols: []client.Subprotocol{
//			{Name: "rpc.v2", NewHandler: newV2},
//			{Name: "rpc.v1", NewHandler: newV1},
//		},
//	})
//
// A [Handler] is called with each message, and at the end. It writes to the socket
// itself. Its errors close the socket with 1011, or with the code of a
// [*websocket.CloseError]; a panic is caught and logged, and closes it with 1011.
//
// # Owners
//
// Without handlers there are two ways to use a Conn. One is to call its methods and
// to read the sockets. The other is to give it an [Owner], whose channel has
// every event and every message of any number of connections, in order:
//
//	o := client.NewOwner(0)
//	c, err := client.Open("localhost:12345", &client.Options{Owner: o})
//	…
//	for ev := range o.C {
//		switch ev := ev.(type) {
//		case client.Up:
//			go ev.Conn.Upgrade(ctx, "/feed", nil)
//		case client.Upgraded:
//			ev.Socket.Write(ctx, websocket.MessageText, hello)
//		case client.Message:
//			handle(ev.Data)
//		case client.Down:
//			log.Print(ev.Err, ev.Killed)
//		case client.GaveUp:
//			return ev.Err
//		}
//	}
//
// A connection tells of each [Attempt], and of [AttemptFailed] or [Up]. For each Up
// there is one [Down], behind all that its sockets and requests have to tell; it
// names those that ended with the connection. The last event of a Conn is the
// Down after [Conn.Close] or [Conn.Shutdown], or [GaveUp]; when no attempt had
// succeeded yet, Close leaves nothing to tell. A socket tells of [Upgraded], each
// [Message], and [Closed]; an upgrade that came to nothing of [Response] and [Body]
// when the server refused it, and of [Failure] otherwise. Requests made by
// [Conn.Request] tell of Response, Body and Failure as well.
//
// The channel is bounded. While it is full, nothing is read, and the peer is slowed
// down by the network: that is the flow control of sockets with an owner, as Read is
// of those without. Close and Shutdown do not wait for the channel; what was
// not yet taken stays in line, and can be taken after them. [Conn.SetOwner] hands
// a connection over without losing anything or changing the order.
//
// [Owner.Close] is the owner's end: its connections are shut down, and their peers
// see 1001.
//
// # Retries
//
// The rules are Gun's. After an attempt that failed, or a connection that was
// lost, another attempt is made after RetryTimeout (5 s), Retry times (5) in a row.
// RetryFunc takes their place: it is given how many retries are left and what went
// wrong, and returns how many are left now and how long to wait. When it returns 0,
// one last attempt follows; when none are left, it is not asked. A negative Retry
// means one attempt, and no other connection after that one.
//
// In one thing they differ: Gun counts anew, and tries at once, after every
// connection. Here it must have lived for RetryTimeout, and a second at least; a
// shorter life counts as an attempt that failed, so that a server that accepts and
// closes is not asked without a pause. A connection of HTTP/1.1 that a request has
// ended (Connection: close, or a request that was given up) counts as one that lived.
//
// When no retries are left the Conn is over, and so it is at once after what another
// attempt would not mend: a certificate that cannot be trusted, a server that does
// not speak any of Protocols, an HTTP proxy that does not take the user and password
// (407, or 401). [Conn.Done] is closed then, and [Conn.Err] is a [*GaveUpError] with the
// last reason.
//
// A connection that its own side has closed is never made again (C1).
//
// # Proxies
//
// Proxies are passed in their order, each through the one before:
//
//	o := &client.Options{Proxies: []client.Proxy{
//		{URL: "http://user:password@proxy.corp.example:3128"},
//		{URL: "socks5://gate.example:1080"},
//	}}
//
// http and https proxies are asked by CONNECT, the latter over TLS; socks5 and
// socks5h ones by SOCKS5. Nothing is sent to the server before the last of them
// has agreed. A Conn does not look at HTTPS_PROXY by itself; [ProxyFromEnvironment]
// does.
//
// # Dead peers
//
// A server that has vanished without a word is noticed by pings: KeepAlive of
// [Options] sends them on connections of HTTP/2, KeepAlive of
// [websocket.ConnOptions] on each socket. Both are off by default.
//
// # Endings
//
// [Conn.Shutdown] says goodbye: it closes every socket with 1001, waits for their
// closing handshakes and for requests under way, ClosingTimeout (15 s) at most, and
// makes no other connection. [Conn.Close] ends all at once; the peers of sockets
// see 1006. One of them must be called.
//
// # Errors
//
//   - [*websocket.OptionError]: an option or argument cannot be used; nothing has
//     happened. [Options.Check] finds it without opening anything.
//   - [*websocket.DialError], in [AttemptFailed] and in a GaveUpError: the step
//     that failed, with whom, and why.
//   - [*websocket.HandshakeError]: an upgrade was refused, or the answer is no good;
//     the connection is as it was, and other requests can be made.
//   - [ErrUpgraded], [ErrGoingAway], [ErrOrigin], [ErrNoOwner]: the request cannot
//     be made on this connection as it is.
//   - [httpconn.ErrRequest]: the request, or its body, cannot be sent as it is, on any
//     connection.
//   - [ErrClosed] and [*GaveUpError]: the Conn is over.
//
// What waits for the connection returns an error that wraps the cause of its
// context when that ends first.
//
// # Watching
//
// [Conn.Info] tells what a connection is doing. [Hooks] are told of every step
// with its time; TraceTo gets a readable line for each step and each frame; a
// Logger those lines that are worth keeping: up and down (Info), attempts that
// failed (Warn), giving up and handlers that fail (Error).
package client
