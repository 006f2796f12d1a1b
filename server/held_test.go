package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// HD3: a session whose sending takes long, here because of a hook that does not
// return, holds up neither the watch over other callbacks nor the times of
// other sessions.
func TestLongSendHoldsUpNobody(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		held, gate := make(chan struct{}), make(chan struct{})
		stuck := &server.Options{IdleTimeout: 20 * time.Millisecond}
		stuck.Trace = &websocket.Trace{Frame: func(sent bool, h frame.Header) {
			if sent && h.Opcode == frame.OpText {
				close(held)
				<-gate
			}
		}}
		blocked := make(chan struct{}, 1)
		h := serveUpgrade(t, engine, func(_ http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
			switch r.URL.Path {
			case "/stuck":
				return &funcs{message: echo}, stuck
			case "/blocked":
				return &funcs{message: func(*server.Session, websocket.Message) { blocked <- struct{}{}; <-gate }}, nil
			case "/idle":
				return &funcs{}, &server.Options{IdleTimeout: 100 * time.Millisecond}
			}
			return &funcs{message: echo}, nil
		})
		h.Workers = 1
		defer close(gate)
		at := func(path string) *raw {
			c := h.transport()
			c.ask(strings.Replace(opening(), "/chat?room=1", path, 1))
			return c
		}
		idle, other := at("/idle"), at("/")
		at("/stuck").say(textFrame("x"))
		wait(t, held)
		for range 3 {
			at("/blocked").say(textFrame("x"))
			wait(t, blocked)
			other.say(textFrame("x"))
			other.want("t:x")
		}
		idle.want("close:1000")
	})
}
