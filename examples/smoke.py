import sys,os,time
from jqjobs.web.dashboard import Dashboard
from jqjobs.web.access import everybody
from jqjobs.web.http import Request
d=Dashboard(os.environ["JQ_REDIS_URL"],auth=everybody)
import urllib.parse as u
for p in sys.argv[1:]:
    path,_,q=p.partition("?")
    t=time.perf_counter(); r=d.handle(Request("GET",path,u.parse_qs(q),{"host":"localhost"},host="localhost")); dt=time.perf_counter()-t
    print(r.status,len(r.body),f"{dt*1000:.0f} ms",p, [v for k,v in r.headers if k=="Location"])
    if r.status>=400: print(r.body.decode()[1800:2900])
