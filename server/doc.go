// Package server serves WebSocket by handlers with callbacks, on any server of
// net/http. It is what cowboy_websocket is to Erlang.
//
//	ws := server.New(func(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
//		return &greeter{}, nil
//	})
//	http.Handle("/greet", ws)
//
// # Handlers
//
// The [Upgrade] function sees each request. It returns the [Handler] of a new
// session, with [Options] of its own or nil for the defaults; or it answers the
// request itself and returns nil. It is the place for cookies, paths and
// whatever else the request tells: the request is gone when the session begins,
// but for what [Options.RequestFilter] keeps.
//
// A Handler has four methods. Init comes first, Message for each text or binary
// message, Info for each value that another goroutine gave to [Session.Post],
// and Terminate once and last, with the [Reason], however the session ended.
// Two optional interfaces are [ControlHandler], for pings and pongs, and
// [BacklogHandler], for the end of congestion. Embed [NopHandler] for methods
// that are not needed.
//
// Callbacks of one session never overlap, and each sees what the one before it
// did: the fields of a handler need no lock as long as only callbacks use them.
// Callbacks of different sessions run at the same time. The data of a message
// is valid until Message returns.
//
// A callback that panics ends its session with 1011 and [ReasonCrash]. The
// process lives, and the Logger is told of the stack once.
//
// # Sending
//
// [Session.Text], [Session.Binary], [Session.Send] and the like may be called
// from any goroutine, and never wait for the peer. In a callback, what is sent
// is gathered, and leaves in one write after it, or after all messages that
// came in one read. When a callback takes longer than a millisecond or two, what
// it has sent by then leaves, and what others send does not wait for its end.
//
// What the peer does not take is owed, and bounded by a [Backlog]. Above Soft
// the handler can ask, by [Session.Congested], and send less. Above Hard the
// [Policy] acts: the session is closed with 1013, which is the default, or
// messages are dropped. [Session.SendKeyed] replaces what still waits. A peer
// that takes less than 1 KiB in WriteTimeout is dropped in any case.
//
// A [Group] is a set of sessions that are sent the same.
//
// # Limits and times
//
// All limits of [websocket.ConnOptions] hold. IdleTimeout, on by default, ends
// sessions from which nothing comes; PingIdle sends a ping before that, so that
// peers that live are kept. AuthTimeout ends sessions that have not said who
// they are. [Session.SetMaxMessageSize], [Session.SetIdleTimeout],
// [Session.SetDeflate] and [Session.SetActive] change a session while it lives.
//
// # Ending
//
// [Session.Close] and [Session.Stop] begin the closing handshake. Terminate
// follows when the peer has answered, or after CloseTimeout. [Server.Shutdown]
// ends all sessions, over a time if asked, and refuses new ones with 503.
// net/http's own Shutdown knows of no session.
//
// # What a session costs
//
// On Linux, a session over TCP, or over TLS on it, has no goroutine, and no
// buffer while nothing comes and nothing is owed. A few workers wait for all of
// them, and run the callbacks. One that blocks holds up its own session only:
// another worker takes over the rest. Everywhere else, and over any other
// transport, a goroutine waits for each session, with the same behaviour. Over
// TLS, crypto/tls keeps a buffer of its own as large as some record once needed:
// 2 KiB after short ones, up to 32 KiB after the longest.
//
// [Session.Detach] hands a session over as a [websocket.Conn].
package server
