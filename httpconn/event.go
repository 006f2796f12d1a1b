package httpconn

import "net/http"

// StreamID names a request and its response on a [Conn]. Over HTTP/2 it is the
// stream identifier; over HTTP/1.1 requests are counted: 1, 2, 3. It is never 0.
type StreamID uint32

// Kind is what an [Event] is about.
type Kind uint8

// The kinds of events. Of each stream there is one Done or one Failed, and it
// is the last, but for streams that [Conn.Cancel] or [Conn.Close] ended: they
// have none.
const (
	// Interim is a response with a status of 1xx, other than 101; the final one
	// follows. Status and Header are set.
	Interim Kind = iota + 1
	// Status is the head of the final response: Status and Header. With End
	// there is no body, and Done follows.
	Status
	// Data is a piece of the body or, of an upgraded stream, of what the server
	// sends through it. It is never empty. See [Conn.Consumed].
	Data
	// Trailer is what came behind the body: Header. Done follows.
	Trailer
	// Done ends a response. With it the request is over too, whether all of it
	// was sent or not. Of an upgraded stream it says that the server's direction
	// has ended: over HTTP/2 ours goes on until [Conn.End].
	Done
	// Upgraded is the answer that opens a WebSocket: 101, or 2xx over HTTP/2.
	// Status and Header are set; [Conn.Accepted] is to be called. What is in the
	// same packet comes as Data right behind it.
	Upgraded
	// Failed ends a stream that has no, or only a part of a response: Err. Over
	// HTTP/2 the other streams are not concerned, unless there is an error of
	// the connection as well.
	Failed
	// Writable: [Conn.Body] took less than all on the stream ID, or on several
	// when that is 0, and takes more now.
	Writable
	// Ready, over HTTP/2: the server's SETTINGS are in force, the first ones or
	// new ones.
	Ready
	// GoAway, over HTTP/2: the server takes no more requests on this connection.
	// Err is an [HTTP2ConnError] with its reason. Streams it has not looked at
	// fail, each by an event of its own; the others go on.
	GoAway
	// Pong, over HTTP/2, answers [Conn.Ping]. Data is what that sent.
	Pong
)

var kinds = [...]string{
	Interim: "Interim", Status: "Status", Data: "Data", Trailer: "Trailer", Done: "Done", Upgraded: "Upgraded",
	Failed: "Failed", Writable: "Writable", Ready: "Ready", GoAway: "GoAway", Pong: "Pong",
}

// String returns the name of the constant.
func (k Kind) String() string {
	if int(k) < len(kinds) && k > 0 {
		return kinds[k]
	}
	return "unknown kind"
}

// Event is something the server did.
type Event struct {
	Kind   Kind
	End    bool     // of Status and Upgraded: the server sends nothing after the head
	ID     StreamID // 0: the connection
	Status int
	Header http.Header // with canonical names; the caller's

	// Data is a part of what [Conn.Receive] was given, or of memory of the
	// Conn's: it is valid until the next call of Receive, and as long as the
	// former is not changed.
	Data []byte

	// Err is an [*Error] or, over HTTP/2, an [*HTTP2StreamError] for a stream
	// that one of the two ends has reset.
	Err error
}
