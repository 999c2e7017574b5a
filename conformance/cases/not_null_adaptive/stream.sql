insert into f select 2,b,i2,i8,f4,f8,n,nv,m,t,v,c,by,b1,b8,vb,d,t3,t6,ttz,ts3,ts6,tz,iv,u,j,jb,x,ine,ma,ia,ta,h,l,ct,mo,r,tsv,o,p,dn,df,dt from f where id=1;
delete from f where id=1; update f set id=3 where id=2; delete from f where id=3;
