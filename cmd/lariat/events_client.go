package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/lariat-go/websocket/client"
)

// The events of connections that are made again: those of --owner-events, and of
// --reconnect with --json.

type attemptEvent struct {
	head
	N    int `json:"n" doc:"number of the attempt, from 1, counted anew after a connection that lived"`
	Left int `json:"left" doc:"how many may follow"`
}

type attemptFailedEvent struct {
	head
	N     int     `json:"n" doc:"number of the attempt"`
	Error string  `json:"error" doc:"why it failed"`
	Wait  float64 `json:"wait_ms" doc:"milliseconds to the next attempt, -1 when there is none"`
}

type upEvent struct {
	head
	HTTP string `json:"http" doc:"HTTP/1.1 or HTTP/2"`
	TLS  string `json:"tls,omitempty" doc:"version of TLS, such as TLS 1.3"`
}

type downEvent struct {
	head
	Error  string   `json:"error,omitempty" doc:"why; empty when this end wanted it"`
	Wait   float64  `json:"wait_ms" doc:"milliseconds to the next attempt, -1 when there is none"`
	Killed []uint64 `json:"killed,omitempty" doc:"--owner-events: numbers of the requests and sockets that ended with it"`
}

type gaveUpEvent struct {
	head
	Error string `json:"error" doc:"why"`
}

type upgradedEvent struct {
	head
	Ref         uint64              `json:"ref" doc:"number of the socket"`
	Subprotocol string              `json:"subprotocol,omitempty" doc:"agreed subprotocol"`
	Header      map[string][]string `json:"header" doc:"fields of the response; cookies are hidden"`
}

type bodyEvent struct {
	head
	Ref     uint64              `json:"ref,omitempty" doc:"--owner-events: number of the request or the socket it is about"`
	Size    int                 `json:"size" doc:"bytes of this piece"`
	Text    string              `json:"text,omitempty" doc:"the piece, when it is text"`
	Base64  []byte              `json:"base64,omitempty" doc:"the piece, when it is not"`
	End     bool                `json:"end" doc:"it is the last piece"`
	Trailer map[string][]string `json:"trailer,omitempty" doc:"with the last piece: fields that came behind the body"`
}

type failureEvent struct {
	head
	Ref   uint64 `json:"ref" doc:"number of the request or the socket"`
	Error string `json:"error" doc:"why it came to nothing"`
}

type queuedEvent struct {
	head
	Waiting int `json:"waiting" doc:"lines in the outbox, with this one"`
}

type sentEvent struct {
	head
	Lines int `json:"lines" doc:"how many"`
}

// ownerEvent makes an event of package client one of ours.
func ownerEvent(ev client.Event) (string, stamped) {
	switch ev := ev.(type) {
	case client.Attempt:
		return "attempt", &attemptEvent{N: ev.N, Left: ev.Left}
	case client.AttemptFailed:
		return "attempt_failed", &attemptFailedEvent{N: ev.N, Error: plainError(ev.Err), Wait: waitMS(ev.Wait)}
	case client.Up:
		e := &upEvent{HTTP: versionName(int(ev.Protocol))}
		if ev.TLS != nil {
			e.TLS = tls.VersionName(ev.TLS.Version)
		}
		return "up", e
	case client.Down:
		e := &downEvent{Error: plainError(ev.Err), Wait: waitMS(ev.Wait)}
		for _, r := range ev.Killed {
			e.Killed = append(e.Killed, uint64(r))
		}
		return "down", e
	case client.GaveUp:
		return "gave_up", &gaveUpEvent{Error: plainError(ev.Err)}
	case client.Upgraded:
		return "upgraded", &upgradedEvent{Ref: uint64(ev.Ref), Subprotocol: ev.Subprotocol, Header: hideSecrets(ev.Header)}
	case client.Message:
		e := messageOf("in", ev.Type, ev.Data)
		e.Ref = uint64(ev.Ref)
		return "message", e
	case client.Closed:
		e := closeOf(ev.Err)
		e.Ref = uint64(ev.Ref)
		return "close", e
	case client.Response:
		return "response", &responseEvent{Ref: uint64(ev.Ref), Status: ev.Status, Header: hideSecrets(ev.Header), End: ev.End}
	case client.Body:
		e := bodyOf(ev.Data, ev.End, ev.Trailer)
		e.Ref = uint64(ev.Ref)
		return "body", e
	case client.Failure:
		return "failure", &failureEvent{Ref: uint64(ev.Ref), Error: plainError(ev.Err)}
	}
	return "failure", &failureEvent{Error: fmt.Sprintf("unknown event %T", ev)}
}

// bodyOf is the event of a piece of a body.
func bodyOf(p []byte, end bool, trailer http.Header) *bodyEvent {
	e := &bodyEvent{Size: len(p), End: end, Trailer: hideSecrets(trailer)}
	if utf8.Valid(p) {
		e.Text = string(p)
	} else {
		e.Base64 = p
	}
	return e
}

// waitMS is a wait in milliseconds, -1 for none.
func waitMS(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return ms(d)
}
