// Package reconnect has a client that stays connected: it connects, upgrades,
// reads and calls back, and when the connection is lost it does all of it again.
// It is what Gundam, WebSockex and Fresh are to Elixir, on package client.
//
//	c, err := reconnect.Start(ctx, "wss://example.com/feed", &feed{}, nil)
//
// # Callbacks, or not
//
// [Callbacks] are methods of the user's struct, called one at a time and in the
// order of events: OnConnect at the first and every later connect, OnMessage,
// OnClose or OnError and then OnDisconnect when a connection is over,
// OnConnectError when an attempt fails. [NopCallbacks] is for embedding. A program
// that wants no callbacks gives nil and ranges over [Client.Messages], which goes
// on through reconnects.
//
// Three callbacks return a [Next], whose zero value leaves the decision to the
// options: [Stop], [Retry], or [To] another URL with another header, as with a
// token that ran out. Prepare, an option, is asked before every attempt.
//
// # When it connects again
//
// What the peer closes is judged by its code (ruling C1): 1001, 1011, 1012, 1013,
// 1014 and a lost connection are followed by another one; 1000, protocol errors,
// 1008 and all codes of applications are not. What this side closes never is. A
// refused opening handshake is tried again, but for 400, 401, 403, 404 and 426,
// and so is everything else that can go wrong on the way, but for a certificate
// that does not hold, a server that does not speak the HTTP that was asked for, or
// takes no WebSockets over it, and an HTTP proxy that does not take the user and password.
// [Policy] changes single entries, and a callback has the last word. [Client.Err] is
// why a client ended.
//
// The wait before an attempt is random, from nothing up to a ceiling that begins
// at 250 ms and doubles up to 30 s: so clients that lost their server together do
// not come back together. It begins anew only after a connection that lived for
// 10 s. A server's Retry-After is obeyed, up to 5 minutes. [Client.Kick] ends a
// wait, when the network is back; that the machine has slept is noticed within
// seconds, from a wall clock that has moved on: a wait ends then, and a connection
// must answer a ping.
//
// A connection on which nothing comes is pinged after 15 s of silence, and lost
// when nothing comes in 15 s more.
//
// # What becomes of messages
//
// [Client.Write] gives a message to the connection. While there is none, the
// option WhileDown decides. Whichever it is, no message is ever sent out of order.
//
//   - [Refuse], the default: Write returns an error that matches [ErrDown]. A nil
//     error means that the connection has taken the message. If it is lost after
//     that, what it had not given away yet is lost with it; [Client.Flush] waits
//     until nothing is left to be lost so.
//   - [Drop]: the same, but what is refused is dropped, and counted.
//   - [Queue]: the message is put into the outbox, and sent when there is a
//     connection and OnConnect has returned. It leaves the outbox when the
//     connection has taken it whole, so it is sent at most once, and it can be
//     lost in the way said above. (Over HTTP/2 a connection that dies in the very
//     moment may have sent it all the same, and it is sent again.)
//   - Queue with Outbox.Acknowledge: a message stays in the outbox until
//     [Client.Ack] was called for its number, and after a reconnect all that are
//     still there are sent again, in order. Nothing is lost while the process
//     lives; a message comes twice only if it was sent, and not acknowledged,
//     when the connection died. The server tells such a repeat by a number in the
//     message. It says with a message of its own what it has, and OnMessage calls
//     Ack.
//
// The outbox holds 1,024 messages and 1 MiB unless told otherwise; more is
// [ErrOutboxFull] while there is no connection, and has Write wait while there is
// one.
//
// OnConnect is the place to log in: what it writes goes out before everything
// else, and what other goroutines write waits until it has returned. It may read
// the answer from [Client.Conn]; a server that says there how far it has come can
// be told by Ack, before anything is sent again.
//
// # Resources
//
// A client has one goroutine, and no buffer while it waits for messages. Over HTTP/2
// the connection below has two more; another one lives while the outbox is flushed,
// or an answer to a ping is waited for. It allocates nothing for a message that is
// received by a callback or written to a connection. All goroutines are gone when
// [Client.Done] is closed.
//
// # Tests
//
// Time comes from the time package alone, and options.Client.Dial opens the
// transport, so that a client, its waits and its timeouts can be tested in the
// bubbles of testing/synctest, on a wstest.Listener.
package reconnect
