// Pion's TURN server, as the bench starts it: turnserver IP PORT USER PASSWORD.
package main

import (
	"log"
	"net"
	"os"

	"github.com/pion/turn/v5"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("turnserver IP PORT USER PASSWORD")
	}
	ip, port, user, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	conn, err := net.ListenPacket("udp4", net.JoinHostPort(ip, port))
	if err != nil {
		log.Fatal(err)
	}
	const realm = "kaon"
	_, err = turn.NewServer(turn.ServerConfig{
		Realm: realm,
		AuthHandler: func(asked *turn.RequestAttributes) (string, []byte, bool) {
			return user, turn.GenerateAuthKey(user, realm, password), asked.Username == user
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(ip), Address: ip},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	select {}
}
