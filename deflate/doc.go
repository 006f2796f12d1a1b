// Package deflate is permessage-deflate (RFC 7692): messages compressed with
// DEFLATE, each side with or without the memory of the messages before.
//
// It is pure: it negotiates, compresses and decompresses, and moves no bytes
// of its own. [New] makes the extension that a connection is given:
//
//	websocket.Accept(w, r, &websocket.AcceptOptions{
//		ConnOptions: websocket.ConnOptions{
//			Extensions: []extension.Extension{deflate.New(nil)},
//		},
//	})
//
// and the same field of websocket.DialOptions for a client. Make one value and
// use it for all connections: its budget of memory is counted over them.
//
// # When it pays
//
// Compressing 1 KiB of JSON to less than half costs some ten microseconds, more
// than sending it does. It pays where bandwidth is dear. Messages below
// [Options].Threshold are sent as they are, and a single message can be:
// extension.Message.Skip is the switch, which connections offer per message.
//
// # Context takeover
//
// With [Options].ServerContextTakeover or ClientContextTakeover a message may
// refer to the text of earlier ones. Small messages that resemble each other
// shrink by another third and more. The price is memory: 16 KiB per connection
// for what is sent, and the peer's window, at most 32 KiB, for what is
// received. Nothing is held before the first message. [Options].MaxContexts
// bounds the sum; connections beyond it are agreed without takeover.
//
// Without takeover a connection holds nothing between messages. What a message
// needs is borrowed from a pool while it is worked on.
//
// # Windows
//
// All windows of 8 to 15 bits are offered, accepted and obeyed in both
// directions: no distance in what is sent leaves the agreed window, and one
// that leaves it in what is received is [frame.ErrExtensionData].
//
// # Damage and bombs
//
// The limit on a message's size holds for what it inflates to, and is obeyed
// to the byte while inflating: the error is [frame.ErrMessageTooBig], and at
// most twice the limit is allocated, whatever the peer claims. There is no
// limit on the ratio, since legal messages reach 1000 to 1.
//
// # Secrets
//
// Compression tells of the text by its length. An attacker who can have text of
// their choice compressed in one context with a secret, and can watch the
// sizes, guesses the secret letter by letter (CRIME and BREACH are such
// attacks; encryption does not hide it). With takeover the context is the
// whole connection, without it each message. So do not put secrets and foreign
// text into one message, leave takeover off where they share a connection, or
// send the messages with secrets as they are: Skip does that for one message,
// which then does not enter the context either.
package deflate
