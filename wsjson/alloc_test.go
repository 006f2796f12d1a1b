//go:build !race

// Under the race detector a sync.Pool forgets at random.

package wsjson_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/lariat-go/websocket/wsjson"
	"github.com/lariat-go/websocket/wstest"
)

// The messages themselves cost no memory: what is allocated is the value read
// and what encoding/json needs.
func TestAllocs(t *testing.T) {
	client, server := wstest.Pair(t, nil)
	ctx := context.Background()
	m := &move{X: 1, Y: 2}
	round := func() {
		if err := wsjson.Write(ctx, client, m); err != nil {
			t.Fatal(err)
		}
		if got, err := wsjson.Read[move](ctx, server); err != nil || got != *m {
			t.Fatal(got, err)
		}
	}
	text, _ := json.Marshal(m)
	decode := testing.AllocsPerRun(100, func() {
		var v move
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
	})
	encode := testing.AllocsPerRun(100, func() {
		var b bytes.Buffer
		b.Grow(len(text) + 1)
		if err := json.NewEncoder(&b).Encode(m); err != nil {
			t.Fatal(err)
		}
	})
	if n := testing.AllocsPerRun(1000, round); n > decode+encode {
		t.Errorf("%v allocations, %v of encoding/json alone", n, decode+encode)
	}
}
