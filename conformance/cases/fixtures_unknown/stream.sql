insert into n select id+10,si,i,bi,r,db,r_nan,r_pinf,r_ninf,db_nan,db_pinf,db_ninf,ss,bs,b,o from n order by id;
insert into d select id+10,d,dzs,dvs,n,nzs,nvs,d_nn,dvs_nn from d order by id;
insert into s select id+10,vc,vcv,ch,c,t,b,bnn,ct,l,i,bol,bol2,bs,bs7,bv1,bv,bv2,bvl,bvu,bvu2 from s order by id;
insert into t select id+10,ts,tsneg,ts_ms,ts_us,tz,d,ti,tip,ttf,ttz,tptz,it,ts_large,ts_large_us,ts_large_ms,tz_large,ts_max,ts_min,tz_max,tz_min,ts_pinf,ts_ninf,tz_pinf,tz_ninf from t order by id;
insert into x select id+10,j,jb,x,u,p,i,c,m,m8,csh,csh2,dr,i4r,nr,i8r,tsr,tszr from x order by id;
insert into a select id+10,ia,bia,ta,ca,va,da,na,nv,cta,ina,cida,ma,tsr,tsz,dr,i4,nr,i8,u,j,jb,o,ti,tz,ts,tsz2,l from a order by id;
insert into h select id+10,hs,hsa from h order by id;
