//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// event is a record of a feed such as many services send over WebSockets: field
// names that repeat from message to message, values that partly do.
type event struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Created time.Time      `json:"created_at"`
	Actor   actor          `json:"actor"`
	Amount  float64        `json:"amount"`
	Symbol  string         `json:"symbol"`
	Tags    []string       `json:"tags"`
	Ratings map[string]int `json:"ratings"`
	Active  bool           `json:"is_active"`
	Note    string         `json:"note"`
}

type actor struct {
	ID    int    `json:"id"`
	Login string `json:"login"`
	Email string `json:"email"`
	City  string `json:"city"`
}

// jsonPayloads returns n JSON texts of exactly size bytes, each different.
func jsonPayloads(n, size int) ([][]byte, error) {
	rnd := rand.New(rand.NewPCG(1, uint64(size)))
	ps := make([][]byte, n)
	for i := range ps {
		var err error
		if ps[i], err = jsonPayload(rnd, i, size); err != nil {
			return nil, err
		}
	}
	return ps, nil
}

// jsonPayload fills a list with events and pads the text's last member to the
// size asked for.
func jsonPayload(rnd *rand.Rand, seq, size int) ([]byte, error) {
	const tail = `],"more":"`
	var b []byte
	b = fmt.Appendf(b, `{"seq":%d,"channel":"trades.%s","events":[`, seq, pick(rnd, "eu", "us", "asia"))
	for first := true; ; first = false {
		e, err := json.Marshal(randomEvent(rnd))
		if err != nil {
			return nil, err
		}
		if len(b)+1+len(e)+len(tail)+2 > size {
			break
		}
		if !first {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	b = append(b, tail...)
	for len(b) < size-2 {
		b = append(b, sentence(rnd)...)
	}
	b = append(b[:size-2], `"}`...)
	if !json.Valid(b) {
		return nil, fmt.Errorf("made invalid JSON: %.64q", b)
	}
	return b, nil
}

func pick(rnd *rand.Rand, s ...string) string { return s[rnd.IntN(len(s))] }

func sentence(rnd *rand.Rand) string {
	var b strings.Builder
	for range 4 + rnd.IntN(6) {
		b.WriteString(pick(rnd,
			"order", "delivered", "to", "the", "warehouse", "before", "noon", "customer", "asked", "for", "a", "refund",
			"payment", "pending", "review", "of", "account", "limit", "raised", "after", "call", "with", "support", "again"))
		b.WriteByte(' ')
	}
	return b.String()
}

func randomEvent(rnd *rand.Rand) event {
	login := pick(rnd, "amelia", "bruno", "chidi", "dagmar", "emre", "fatima", "goran", "hana", "ivo", "jun")
	return event{
		ID:      fmt.Sprintf("%08x-%04x-%04x", rnd.Uint32(), rnd.IntN(1<<16), rnd.IntN(1<<16)),
		Type:    pick(rnd, "order.created", "order.filled", "order.cancelled", "balance.updated"),
		Created: time.Unix(1_700_000_000+rnd.Int64N(1e7), rnd.Int64N(1e9)).UTC(),
		Actor: actor{
			ID: rnd.IntN(1e6), Login: login, Email: fmt.Sprintf("%s%d@example.com", login, rnd.IntN(100)),
			City: pick(rnd, "Zürich", "Lagos", "Osaka", "Quito", "Tromsø", "Pune"),
		},
		Amount:  float64(rnd.IntN(1e7)) / 100,
		Symbol:  pick(rnd, "EURUSD", "USDJPY", "GBPCHF", "AUDNZD"),
		Tags:    []string{pick(rnd, "new", "vip", "trial"), pick(rnd, "web", "ios", "android")},
		Ratings: map[string]int{"speed": rnd.IntN(100), "trust": rnd.IntN(100)},
		Active:  rnd.IntN(2) == 0,
		Note:    strings.TrimSpace(sentence(rnd)),
	}
}
