package main

import (
	"sync"
	"time"

	"github.com/lariat-go/websocket/client"
)

// stepTimes adds up how long the phases of requests took. Hooks are called by
// the goroutine of the connection.
type stepTimes struct {
	mu                         sync.Mutex
	lookup, connect, tunnel    time.Duration
	secure, first, body, total time.Duration
	sent, answered             time.Time
}

type timingsEvent struct {
	head
	Lookup  float64 `json:"lookup_ms" doc:"lookup of names, in milliseconds as all of them"`
	Connect float64 `json:"connect_ms" doc:"TCP connection, to the server or the first proxy"`
	Proxy   float64 `json:"proxy_ms" doc:"tunnels through proxies"`
	TLS     float64 `json:"tls_ms" doc:"TLS handshakes"`
	First   float64 `json:"first_byte_ms" doc:"from when the request could be sent to the head of the answer"`
	Body    float64 `json:"body_ms" doc:"from then to the end of the body"`
	Total   float64 `json:"total_ms" doc:"all of it, with redirects"`
}

func (s *stepTimes) hooks() *client.Hooks {
	add := func(to *time.Duration) func(client.Step) {
		return func(step client.Step) {
			if step.Done {
				s.mu.Lock()
				*to += step.Took
				s.mu.Unlock()
			}
		}
	}
	return &client.Hooks{Lookup: add(&s.lookup), Connect: add(&s.connect), Proxy: add(&s.tunnel), TLS: add(&s.secure)}
}

// sending is when a request can be sent, head when its answer is there, done
// when its body is.
func (s *stepTimes) sending() { s.sent = time.Now() }

func (s *stepTimes) head() {
	s.answered = time.Now()
	s.first += s.answered.Sub(s.sent)
}

func (s *stepTimes) done(began time.Time) {
	s.body += time.Since(s.answered)
	s.total = time.Since(began)
}

// show prints them.
func (s *stepTimes) show(p *printer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = p.event("timings", &timingsEvent{
		Lookup: ms(s.lookup), Connect: ms(s.connect), Proxy: ms(s.tunnel), TLS: ms(s.secure),
		First: ms(s.first), Body: ms(s.body), Total: ms(s.total),
	})
	if p.json {
		return
	}
	for _, t := range []struct {
		name string
		took time.Duration
	}{
		{"lookup", s.lookup},
		{"connect", s.connect},
		{"proxy", s.tunnel},
		{"tls", s.secure},
		{"first byte", s.first},
		{"body", s.body},
		{"total", s.total},
	} {
		if t.took > 0 || t.name == "total" {
			p.note("%-11s %12s", t.name, millis(t.took))
		}
	}
}
