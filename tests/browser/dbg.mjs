import { launch, open } from './lib/chromium.mjs';
import { serve } from './lib/kaon.mjs';
import { publish } from './lib/picture.mjs';
const ends=[]; const onEnd=f=>ends.push(f);
const server = await serve(onEnd, ['--log','debug']);
const browser = await launch(onEnd);
const page = await open(browser, server.url);
await publish(page, { name: 'x', codec: 'VP8' });
await page.evaluate(async () => { const s=globalThis.publisher; if (s.echo.readyState!=='open') await new Promise(r=>s.echo.onopen=r); 
 const {roundTrip}=await import('/file.js'); globalThis.prog=0; globalThis.res=null; const f=new File([new Uint8Array(30e6)],'x');
 roundTrip(s.echo,f,p=>{globalThis.prog=p}).then(r=>{globalThis.res=r},e=>{globalThis.res=String(e)}); });
for (let i=0;i<40;i++){ await new Promise(r=>setTimeout(r,1000)); const r=await page.evaluate(async()=>{const st=[...(await publisher.pc.getStats()).values()]; const dc=st.find(x=>x.type==='data-channel'&&x.label==='echo'); return [prog, res, publisher.echo.bufferedAmount, dc?.bytesSent, dc?.bytesReceived]}); console.log(JSON.stringify(r)); if(r[1])break;}
console.log(server.output().slice(-3000));
for (const e of ends.reverse()) await e();
process.exit(0);
