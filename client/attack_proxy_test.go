package client_test

import (
	"strings"
	"testing"

	"github.com/lariat-go/websocket/client"
)

// A proxy whose scheme was forgotten is not told of with its password.
func TestAttackSecretProxy(t *testing.T) {
	const secret = "s3cr3t"
	o := &client.Options{Proxies: []client.Proxy{{URL: "user:" + secret + "@example.com"}}}
	if _, err := client.Open("example.com:80", o); !isOptionError(err) || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}
