package extension_test

import (
	"errors"
	"fmt"

	"github.com/lariat-go/websocket/extension"
)

// A client offers permessage-deflate twice, the better form first.
func ExampleParseOffers() {
	offers, err := extension.ParseOffers([]string{
		"permessage-deflate; server_max_window_bits=10, permessage-deflate",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range offers {
		fmt.Println(o.Name, o.Params)
	}
	// Output:
	// permessage-deflate [{server_max_window_bits 10}]
	// permessage-deflate []
}

func ExampleParseOffers_malformed() {
	_, err := extension.ParseOffers([]string{"permessage-deflate; =10"})
	var syntax *extension.SyntaxError
	fmt.Println(errors.As(err, &syntax), err)
	// Output:
	// true websocket: malformed header line 1, byte 21: found "=10", want the name of a parameter
}

func ExampleFormatOffers() {
	fmt.Println(extension.FormatOffers([]extension.Offer{
		{Name: "permessage-deflate", Params: []extension.Param{{Name: "client_max_window_bits"}, {Name: "server_max_window_bits", Value: "10"}}},
		{Name: "permessage-deflate"},
	}))
	// Output: permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate
}

func ExampleOffer_String() {
	o := extension.Offer{Name: "mux", Params: []extension.Param{{Name: "max-channels", Value: "4"}}}
	fmt.Println(o)
	// Output: mux; max-channels=4
}

func ExampleParseTokens() {
	subprotocols, err := extension.ParseTokens([]string{"chat, superchat"}, 0)
	fmt.Printf("%q %v\n", subprotocols, err)
	// Output: ["chat" "superchat"] <nil>
}

func ExampleHasToken() {
	fmt.Println(extension.HasToken([]string{"keep-alive, Upgrade"}, "upgrade"))
	// Output: true
}
