package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// The objects of --json. The tags are the schema: "lariat help json" is made
// from them. Fields are added over time, never renamed or removed.

// stamped is an event that can be named and dated.
type stamped interface {
	stamp(name string, t time.Time)
}

type head struct {
	Event string `json:"event" doc:"the event's name"`
	Time  string `json:"time" doc:"when it happened, RFC 3339, UTC"`
}

func (h *head) stamp(name string, t time.Time) {
	h.Event, h.Time = name, t.UTC().Format(time.RFC3339Nano)
}

type listeningEvent struct {
	head
	URL         string   `json:"url" doc:"address for clients, ws or wss"`
	Page        string   `json:"page" doc:"address for browsers, http or https"`
	Unix        string   `json:"unix,omitempty" doc:"path of the unix socket"`
	HTTP        []string `json:"http" doc:"versions of HTTP that are spoken: HTTP/1.1, HTTP/2"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"SHA-256 of the certificate, with --tls"`
}

type requestEvent struct {
	head
	Method string              `json:"method" doc:"GET, or CONNECT over HTTP/2"`
	Target string              `json:"target" doc:"path and query"`
	Header map[string][]string `json:"header" doc:"fields of the request; credentials are hidden"`
}

type responseEvent struct {
	head
	Status int                 `json:"status" doc:"status; of a WebSocket that is accepted 101, 200 over HTTP/2"`
	Header map[string][]string `json:"header" doc:"fields of the response; cookies are hidden"`
	Method string              `json:"method,omitempty" doc:"of a request of --request, and of lariat request"`
	Target string              `json:"target,omitempty" doc:"of that, path and query"`
	HTTP   string              `json:"http,omitempty" doc:"lariat request: HTTP/1.1 or HTTP/2"`
	Ref    uint64              `json:"ref,omitempty" doc:"--owner-events: number of the request or the socket it is about"`
	End    bool                `json:"end,omitempty" doc:"--owner-events: no body follows"`
}

type openEvent struct {
	head
	URL         string   `json:"url" doc:"what was connected to"`
	Remote      string   `json:"remote" doc:"address of the peer"`
	HTTP        string   `json:"http" doc:"HTTP/1.1 or HTTP/2"`
	Subprotocol string   `json:"subprotocol,omitempty" doc:"agreed subprotocol"`
	Extensions  []string `json:"extensions,omitempty" doc:"agreed extensions with parameters"`
}

type messageEvent struct {
	head
	Direction string `json:"direction" doc:"in or out; from decode: client or server, the sender"`
	Type      string `json:"type" doc:"text or binary"`
	Size      int    `json:"size" doc:"bytes of the message, inflated"`
	Text      string `json:"text,omitempty" doc:"the message, when it is text"`
	Base64    []byte `json:"base64,omitempty" doc:"the message, when it is binary"`
	Frames    int    `json:"frames,omitempty" doc:"decode: frames it came in"`
	Wire      int64  `json:"wire,omitempty" doc:"decode: bytes of its payload on the wire"`
	Ref       uint64 `json:"ref,omitempty" doc:"--owner-events: number of the socket"`
}

type frameEvent struct {
	head
	Direction string `json:"direction" doc:"in or out; from decode: client or server, the sender"`
	Offset    *int64 `json:"offset,omitempty" doc:"decode: place of the frame in the input, in bytes"`
	Opcode    string `json:"opcode" doc:"continuation, text, binary, close, ping, pong or opcode 0x3"`
	Fin       bool   `json:"fin" doc:"last frame of its message"`
	RSV       []int  `json:"rsv,omitempty" doc:"reserved bits that are set, of 1, 2 and 3"`
	Masked    bool   `json:"masked" doc:"payload is masked"`
	Mask      string `json:"mask,omitempty" doc:"decode: the masking-key, hex"`
	Size      int64  `json:"size" doc:"bytes of payload"`
	Payload   []byte `json:"payload,omitempty" doc:"decode: the payload unmasked, base64"`
}

type http2Event struct {
	head
	Direction  string           `json:"direction" doc:"in or out"`
	Type       string           `json:"type" doc:"SETTINGS, HEADERS, DATA, RST_STREAM, WINDOW_UPDATE, PING, GOAWAY, ..."`
	Stream     int64            `json:"stream" doc:"number of the stream, 0 for the connection"`
	Flags      []string         `json:"flags,omitempty" doc:"of END_STREAM, END_HEADERS, ACK, PADDED, PRIORITY"`
	Size       int64            `json:"size" doc:"bytes of payload"`
	Settings   map[string]int64 `json:"settings,omitempty" doc:"SETTINGS: values by name"`
	Code       string           `json:"code,omitempty" doc:"RST_STREAM, GOAWAY: error code, such as CANCEL"`
	Increment  int64            `json:"increment,omitempty" doc:"WINDOW_UPDATE: bytes that may be sent in addition"`
	LastStream *int64           `json:"last_stream,omitempty" doc:"GOAWAY: last stream that was looked at"`
}

type pongEvent struct {
	head
	Seq int     `json:"seq" doc:"number of the ping, from 1"`
	RTT float64 `json:"rtt_ms" doc:"round-trip time in milliseconds"`
}

type lostEvent struct {
	head
	Seq int `json:"seq" doc:"number of the ping that stayed without an answer"`
}

type statisticsEvent struct {
	head
	Sent     int     `json:"sent" doc:"pings sent"`
	Received int     `json:"received" doc:"pongs received"`
	Loss     float64 `json:"loss" doc:"share that was lost, 0 to 1"`
	Min      float64 `json:"min_ms" doc:"shortest round-trip time in milliseconds; 0 when none was received"`
	Median   float64 `json:"median_ms" doc:"median"`
	P99      float64 `json:"p99_ms" doc:"99th percentile"`
	Max      float64 `json:"max_ms" doc:"longest"`
}

type closeEvent struct {
	head
	Code        int    `json:"code" doc:"code of the ending: received, 1005 for none, 1006 without closing handshake"`
	Name        string `json:"name" doc:"the code with its registered name"`
	Reason      string `json:"reason,omitempty" doc:"reason received"`
	SentCode    int    `json:"sent_code,omitempty" doc:"code sent"`
	SentReason  string `json:"sent_reason,omitempty" doc:"reason sent"`
	RemoteFirst bool   `json:"remote_first" doc:"the peer began the closing handshake; from decode always false"`
	Direction   string `json:"direction,omitempty" doc:"decode: client or server, the sender"`
	Ref         uint64 `json:"ref,omitempty" doc:"--owner-events: number of the socket"`
}

type violationEvent struct {
	head
	Direction string `json:"direction" doc:"client or server, the sender"`
	Offset    int64  `json:"offset" doc:"place of the frame in the input, in bytes"`
	Rule      string `json:"rule" doc:"what is wrong"`
	Section   string `json:"section" doc:"the section that was broken"`
	Code      int    `json:"code" doc:"code to close the connection with"`
}

type stepEvent struct {
	head
	Step     int     `json:"step" doc:"number of the step, from 1"`
	Name     string  `json:"name" doc:"what is shown"`
	OK       bool    `json:"ok" doc:"it happened, and was checked"`
	Detail   string  `json:"detail" doc:"what was seen"`
	Duration float64 `json:"duration_ms" doc:"time it took in milliseconds"`
}

type errorEvent struct {
	head
	Kind    string `json:"kind" doc:"name of the exit code, see lariat help exit-codes"`
	Exit    int    `json:"exit" doc:"exit code"`
	Message string `json:"message" doc:"what went wrong"`
	Hint    string `json:"hint,omitempty" doc:"what to try"`
}

// The events of serve are the records of its log; these types document them.

type connectionEvent struct {
	head
	Level       string `json:"level" doc:"INFO, or WARN when the connection did not end well"`
	Remote      string `json:"remote" doc:"address of the peer"`
	Path        string `json:"path" doc:"path of the request"`
	HTTP        string `json:"http" doc:"HTTP/1.1 or HTTP/2"`
	Subprotocol string `json:"subprotocol" doc:"agreed subprotocol, or empty"`
	Duration    string `json:"duration" doc:"how long it was open, such as 1.5s"`
	InMessages  int64  `json:"in_messages" doc:"messages received"`
	InBytes     int64  `json:"in_bytes" doc:"bytes of these messages"`
	OutMessages int64  `json:"out_messages" doc:"messages sent"`
	OutBytes    int64  `json:"out_bytes" doc:"bytes of these messages"`
	Code        int    `json:"code" doc:"code of the ending, as in close"`
	SentCode    int    `json:"sent_code,omitempty" doc:"code sent"`
	Error       string `json:"error,omitempty" doc:"what went wrong"`
}

type refusedEvent struct {
	head
	Level  string `json:"level" doc:"WARN"`
	Remote string `json:"remote" doc:"address of the peer"`
	Path   string `json:"path" doc:"path of the request"`
	HTTP   string `json:"http" doc:"HTTP/1.1 or HTTP/2"`
	Status int    `json:"status" doc:"HTTP status of the answer"`
	Error  string `json:"error" doc:"why the opening handshake was refused"`
}

type problemEvent struct {
	head
	Level  string `json:"level" doc:"WARN or ERROR"`
	Remote string `json:"remote,omitempty" doc:"address of the peer, where it is about one"`
	Error  string `json:"error" doc:"what went wrong: a failed TLS handshake, a program of --exec that cannot be started"`
}

type statsEvent struct {
	head
	Level       string           `json:"level" doc:"INFO"`
	Sessions    int64            `json:"sessions" doc:"connections that are open"`
	Idle        int64            `json:"idle" doc:"of them, those from which nothing came of late"`
	Opened      int64            `json:"opened" doc:"connections since the start"`
	Refused     int64            `json:"refused" doc:"requests answered 503: too many connections, or the server is stopping"`
	InMessages  int64            `json:"in_messages" doc:"messages received"`
	InBytes     int64            `json:"in_bytes" doc:"bytes received, with everything around the messages"`
	OutMessages int64            `json:"out_messages" doc:"messages sent"`
	OutBytes    int64            `json:"out_bytes" doc:"bytes sent, with everything around the messages"`
	Dropped     int64            `json:"dropped" doc:"messages not sent because a client took too little"`
	Ended       map[string]int64 `json:"ended,omitempty" doc:"how many connections ended, by reason"`
}

// schema is every event, with the commands that print it.
func schema() []struct {
	name, by, doc string
	event         any
} {
	return []struct {
		name, by, doc string
		event         any
	}{
		{"request", "connect -v, ping -v, request -v", "the opening handshake, or the request, that was sent", requestEvent{}},
		{"response", "connect -v, ping -v, request; connect with --request or --owner-events", "the answer to it", responseEvent{}},
		{"body", "request, connect --owner-events", "a piece of the body of an answer", bodyEvent{}},
		{"timings", "request", "how long the request took, at the end", timingsEvent{}},
		{"open", "connect, ping", "the connection is open", openEvent{}},
		{"message", "connect, decode", "a whole message", messageEvent{}},
		{"frame", "connect -v, decode", "one frame", frameEvent{}},
		{"http2", "connect -v, ping -v", "one frame of the HTTP/2 connection that carries the WebSocket", http2Event{}},
		{"attempt", "connect --owner-events", "a connection is being made", attemptEvent{}},
		{"attempt_failed", "connect with --reconnect or --owner-events", "it could not be made", attemptFailedEvent{}},
		{"up", "connect --owner-events", "it can be used", upEvent{}},
		{"upgraded", "connect --owner-events", "the opening handshake was accepted", upgradedEvent{}},
		{"failure", "connect --owner-events", "it came to nothing", failureEvent{}},
		{"down", "connect with --reconnect or --owner-events", "the connection is lost, or was ended", downEvent{}},
		{"gave_up", "connect --owner-events", "no further attempt is made", gaveUpEvent{}},
		{"queued", "connect --reconnect", "a line waits in the outbox, as there is no connection", queuedEvent{}},
		{"sent", "connect --reconnect", "the lines that waited were sent", sentEvent{}},
		{"close", "connect, ping, decode", "the connection has ended; decode: a close frame", closeEvent{}},
		{"pong", "ping", "a ping was answered", pongEvent{}},
		{"lost", "ping", "a ping was not answered in time", lostEvent{}},
		{"statistics", "ping", "the sums, at the end", statisticsEvent{}},
		{"violation", "decode", "a rule was broken", violationEvent{}},
		{"step", "demo", "one step was done", stepEvent{}},
		{"listening", "serve, demo --open", "the server is ready", listeningEvent{}},
		{"connection", "serve", "a connection has ended", connectionEvent{}},
		{"stats", "serve", "the sums so far, asked for by SIGUSR1", statsEvent{}},
		{"refused", "serve", "an opening handshake was refused", refusedEvent{}},
		{"problem", "serve", "something else went wrong", problemEvent{}},
		{"error", "all", "the last event of a run that fails", errorEvent{}},
	}
}

// schemaText writes the schema for people.
func schemaText() string {
	var b strings.Builder
	for _, s := range schema() {
		fmt.Fprintf(&b, "\n%s   (%s)\n  %s\n", s.name, s.by, s.doc)
		for _, f := range fields(s.event) {
			fmt.Fprintf(&b, "    %-13s %-9s %s\n", f.name, f.kind, f.doc)
		}
	}
	return b.String()
}

type field struct{ name, kind, doc string }

// fields lists the fields of an event but those that all events have.
func fields(event any) []field {
	var fs []field
	t := reflect.TypeOf(event)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			continue
		}
		name, opt, _ := strings.Cut(f.Tag.Get("json"), ",")
		doc := f.Tag.Get("doc")
		if opt == "omitempty" {
			doc += " (left out when empty)"
		}
		fs = append(fs, field{name, jsonKind(f.Type), doc})
	}
	return fs
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonKind(t.Elem())
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return "number"
	case reflect.Map:
		return "object"
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 {
			return "array"
		}
	}
	return "string"
}
