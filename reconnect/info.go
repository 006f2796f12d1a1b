package reconnect

import (
	"net/http"
	"time"
)

// State is what a [Client] is doing.
type State uint8

// The states of a client.
const (
	Connecting State = iota // an attempt is under way
	Opening                 // the connection is open, and OnConnect is called
	Up                      // messages flow
	Waiting                 // for the next attempt
	Closing                 // Close was called, or the context of Start has ended
	Closed                  // it is over
)

// String returns the name of the state, in lower case.
func (s State) String() string {
	names := [...]string{"connecting", "opening", "up", "waiting", "closing", "closed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown state"
}

// Info tells about a [Client] (S3.18).
type Info struct {
	URL    string      // of the last attempt, without a password
	Header http.Header // of its opening handshake

	State State
	Since time.Time // when the State began
	Next  time.Time // when the next attempt begins; zero unless Waiting

	Attempt  int   // of the attempt that is under way or was the last one, from 1, anew after a healthy connection
	Attempts int   // in all
	Connects int   // attempts that led to a connection
	Err      error // why the last attempt failed or the last connection ended; nil before that

	Queued      int    // messages in the outbox
	QueuedBytes int64  // their data
	Unsent      int    // those of them that were not handed to this connection
	Acked       uint64 // messages that were acknowledged
	Resent      uint64 // messages that were sent once more after a reconnect
	Dropped     uint64 // messages dropped by WhileDown: Drop
}

// Info tells what the client is doing.
func (c *Client) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Info{
		URL: c.target, Header: c.sent.Clone(),
		State: c.state, Since: c.since, Next: c.next,
		Attempt: c.attempt, Attempts: c.attempts, Connects: c.connects, Err: c.last,
		Queued: len(c.box.items), QueuedBytes: c.box.bytes, Unsent: c.box.unsent(), Resent: c.box.again,
		Acked: c.acked, Dropped: c.dropped,
	}
}
