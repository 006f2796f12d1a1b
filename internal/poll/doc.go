// Package poll tells many sockets' owners, on a few goroutines, when there is
// something to read or room to write. An idle socket costs its [Desc] and one
// entry of a table: no goroutine, no buffer.
//
// A [Poller] has a few loops, each with an epoll instance of its own and one
// [Worker]: the goroutine that fetches events and calls [Source.Ready] for
// each, right there, without handing anything over. What a source reads, works
// through and writes within one call of Ready needs no other goroutine and no
// lock of the poller.
//
// # Edges
//
// A descriptor is registered once, by edges, for what comes; and for room to
// write from the first Write on that was not taken whole, which most
// descriptors never see. An event comes when something changes, not while it
// stays that way. So Ready has to read
// until [ErrAgain] or until a Read gives less than it was asked for, and may
// stop earlier only if it sees to it, by [Desc.Wake], that it is called again.
// A Write that takes less than it was given is followed by Writable. The end of
// what the peer sends is announced by HangUp, which may come together with the
// last bytes: then one Read more than usual is due.
//
// Events may be spurious: Ready must be able to find nothing to do.
//
// # Callbacks that block
//
// A source may block in Ready. A monitor looks about every millisecond, as long
// as there are events at all, and when it finds a worker in the same call as
// the last time, it starts another worker for the loop, which goes on with
// what the blocked one left. That one finishes its call and retires. From then
// on, Ready can be called by the new worker while the old call still runs: it
// is the source that serializes its own work.
//
// Where one callback has blocked, others may: for as long as they do, and a tenth
// of a second more, each call of Ready gets a goroutine of its own.
//
// # TLS
//
// [Conn] is a net.Conn on a Desc that never waits, made to lie under a
// tls.Conn. [AdoptTLS] puts it under one whose handshake is over.
//
// On systems other than Linux, [New] fails with [ErrUnsupported].
package poll
